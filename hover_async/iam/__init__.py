"""The least IAM policies of a stage: what a deploy, its stack and its functions may do.

    policy.py        what a policy is: grants, each with its reason; the JSON document
    names.py         the ARNs of what a stage has on AWS
    deployer.py      whoever runs `hover-async`
    stack_role.py    what CloudFormation acts as, from a table by resource type
    lambda_role.py   what the functions act as
    secrets.py       whoever runs `hover-async secrets`

Pure: nothing is asked of AWS. Tests hold the deployer's policy against the calls of a real deploy,
and the stack role's against AWS's own resource schemas.
"""

from hover_async.iam.policy import Grant, Policy
from hover_async.iam.stage import PolicyName, policy, trust

__all__ = ["Grant", "Policy", "PolicyName", "policy", "trust"]
