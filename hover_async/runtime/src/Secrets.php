<?php

declare(strict_types=1);

namespace Hover;

use Hover\Aws\Client;

/**
 * The stage's secrets: AES-256-GCM under a data key that KMS unwraps. Plain text exists in
 * memory only.
 */
final class Secrets
{
    private const TAG_BYTES = 16;

    /** @return array<string, string> */
    public static function read(string $file, Client $aws): array
    {
        if (!is_file($file)) {
            return [];
        }
        $envelope = Json::decode((string) file_get_contents($file));
        if (($envelope['version'] ?? null) !== 1) {
            throw new RuntimeError('the secrets in the image have an unknown version; build again with this hover-async');
        }
        $stage = (string) $envelope['stage'];
        $key = $aws->json('kms', 'TrentService.Decrypt', [
            'CiphertextBlob' => $envelope['key'],
            'KeyId' => $envelope['key_id'],
            'EncryptionContext' => ['hover-stage' => $stage],
        ])['Plaintext'] ?? '';
        $sealed = base64_decode((string) $envelope['ciphertext'], true) ?: '';
        $plain = openssl_decrypt(
            substr($sealed, 0, -self::TAG_BYTES),
            'aes-256-gcm',
            (string) base64_decode((string) $key, true),
            OPENSSL_RAW_DATA,
            (string) base64_decode((string) $envelope['nonce'], true),
            substr($sealed, -self::TAG_BYTES),
            "hover-async secrets v1 $stage",
        );
        if ($plain === false) {
            throw new RuntimeError("the secrets of stage '$stage' do not decrypt: the file was changed or sealed with another key");
        }
        return array_map(strval(...), Json::decode($plain));
    }
}
