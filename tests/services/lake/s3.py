# SPDX-License-Identifier: Apache-2.0
"""s3.py PORT FILE: makes the bucket `lake` in a moto that has just been started, and a user who may do all; writes
access key and secret to FILE, a line each. From then on moto checks signatures (INITIAL_NO_AUTH_ACTION_COUNT=3)."""
import json
import sys

import boto3


def client(service, port, access, secret):
    return boto3.client(service, endpoint_url=f'http://127.0.0.1:{port}', region_name='us-east-1',
                        aws_access_key_id=access, aws_secret_access_key=secret)


def main(port, file):
    iam = client('iam', port, 'any', 'any')
    iam.create_user(UserName='lake')
    key = iam.create_access_key(UserName='lake')['AccessKey']
    everything = {'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': '*', 'Resource': '*'}]}
    iam.put_user_policy(UserName='lake', PolicyName='all', PolicyDocument=json.dumps(everything))
    access, secret = key['AccessKeyId'], key['SecretAccessKey']
    client('s3', port, access, secret).create_bucket(Bucket='lake')
    with open(file, 'w', encoding='ascii') as keys:
        keys.write(f'{access}\n{secret}\n')


if __name__ == '__main__':
    main(*sys.argv[1:])
