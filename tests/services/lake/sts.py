# SPDX-License-Identifier: Apache-2.0
"""sts.py PORT FILE: temporary credentials of a role that may do all, from the STS of a moto whose user's keys are in
FILE (see s3.py). Prints access key, secret and session token, a line each; moto checks all three in a request."""
import contextlib
import json
import sys

from s3 import client


def main(port, file):
    with open(file, encoding='ascii') as keys:
        access, secret = keys.read().split()
    iam = client('iam', port, access, secret)
    user = {'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 'sts:AssumeRole',
                                                    'Principal': {'AWS': 'arn:aws:iam::123456789012:user/lake'}}]}
    everything = {'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': '*', 'Resource': '*'}]}
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName='lake', AssumeRolePolicyDocument=json.dumps(user))
        iam.put_role_policy(RoleName='lake', PolicyName='all', PolicyDocument=json.dumps(everything))
    given = client('sts', port, access, secret).assume_role(
        RoleArn='arn:aws:iam::123456789012:role/lake', RoleSessionName='test')['Credentials']
    print(given['AccessKeyId'], given['SecretAccessKey'], given['SessionToken'], sep='\n')


if __name__ == '__main__':
    main(*sys.argv[1:])
