"""A stage's secrets: `.hover/STAGE-secrets.plain.env` to `.hover/STAGE-secrets.json`, and back.

    plain.py      the plain file: what phpdotenv reads, and nothing that could be read in two ways
    names.py      which names a secret may have, and how much a process can be given
    envelope.py   the encrypted file
    sealing.py    AES-256-GCM, the only importer of `cryptography`
    files.py      where the files are, written whole or not at all
    process.py    encrypt and decrypt as a whole

What opens the file in a container is `runtime/src/Secrets.php`.
"""
