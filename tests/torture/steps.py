# SPDX-License-Identifier: Apache-2.0
"""The named steps of the daemons (lib/base/step.h): what has happened when one is passed.

Each stands once in the sources as PL_STEP("NAME"); check_torture.py compares. Those of RARE are passed only when
something went wrong before, or at a hand-over; all others in any run without a fault.
"""

STEPS = {
    # A source: the life of a transaction (lib/batch/delivery.c).
    'delivery.fenced': 'an instance before us is fenced, the position not read',
    'delivery.read': 'the position is read, nothing asked of the source',
    'delivery.begun': 'a transaction is begun, and empty',
    'delivery.sent': 'a message is in it',
    'delivery.positioned': 'the position is in it, the commit not asked for',
    'delivery.committing': 'the commit is about to be asked for',
    'delivery.committed': 'Kafka has confirmed it, the loop does not know',
    'delivery.known': 'the loop knows, nothing is counted yet',
    'wikisrcd.connected': 'the stream answers, no event was read',
    'wikisrcd.received': 'an event is there, and not looked at',
    'wmfetchd.asked': 'a window is asked for',
    'wmfetchd.taken': 'an element of the answer is in the transaction',
    'wmfetchd.answered': 'the answer is whole, the position not in the transaction',
    # The sink: what the partition's machine says (daemons/chsinkd/sink/drive.c), before it is done.
    'chsinkd.assigned': 'partitions are taken over, their claims are on their way',
    'chsinkd.placing': 'the table is to be asked where to begin, since the group does not know',
    'chsinkd.announcing': 'a claim or an announcement is to be committed',
    'chsinkd.announced': 'that is confirmed, the machine does not know',
    'chsinkd.inserting': 'a batch is to be inserted',
    'chsinkd.sending': 'a worker has it, nothing is sent',
    'chsinkd.sent': 'the output has confirmed it, only the worker knows',
    'chsinkd.committing': 'the end of the batch is to be committed',
    'chsinkd.committed': 'that is confirmed, the machine does not know',
    'chsinkd.looking': 'the table is to be asked what it has of a range',
    'chsinkd.looked': 'it has answered, the machine does not know',
    'chsinkd.checking': 'the group is to be asked whether a commit of dead letters succeeded',
    'chsinkd.splitting': 'the server has refused a batch, which is to be halved',
    'chsinkd.burying': 'the message that it refuses is found',
    'chsinkd.revoking': 'the group asks partitions back, nothing is given',
    'chsinkd.revoked': 'they are given back',
    # Dead letters and the offsets after them, in one transaction (daemons/chsinkd/sink/kafka/deadletter.c).
    'letters.begun': 'a transaction is begun, and empty',
    'letters.written': 'the letters are in it, the offsets are not',
    'letters.committing': 'the offsets are in it, the commit is about to be asked for',
    'letters.committed': 'Kafka has confirmed it, only the courier knows',
    # The other outputs.
    'duckdb.begun': 'a transaction is begun, and empty',
    'duckdb.written': 'rows and position are in it',
    'duckdb.committed': 'it is committed',
    'iceberg.data': 'data files are written, nothing names them',
    'iceberg.manifest': 'the manifest is, too',
    'iceberg.list': 'and the list of manifests',
    'iceberg.metadata': 'the new metadata file is there: committed; the hint is the old one',
    'iceberg.hint': 'the hint is the new one',
}
RARE = {'chsinkd.looking', 'chsinkd.looked', 'chsinkd.checking', 'chsinkd.splitting', 'chsinkd.burying'}
# Passed by a process that starts, and never again.
AT_START = {'delivery.fenced', 'delivery.read', 'chsinkd.placing'}

DELIVERY = [name for name in STEPS if name.startswith('delivery.')]
SINK = [name for name in STEPS if name.startswith(('chsinkd.', 'letters.'))]

# How often a step is passed before it is taken: 1 up to this many. By default 6.
ONCE = {'delivery.fenced', 'delivery.read', 'wikisrcd.connected', 'chsinkd.assigned', 'chsinkd.placing',
        'chsinkd.revoking', 'chsinkd.revoked', 'chsinkd.checking', 'chsinkd.burying', 'chsinkd.looking',
        'chsinkd.looked', 'chsinkd.splitting'}
OFTEN = {'wikisrcd.received': 800, 'delivery.sent': 800, 'wmfetchd.taken': 40}


def of(program, output):
    """The steps that a daemon with this output has."""
    if program == 'wikisrcd':
        return DELIVERY + ['wikisrcd.connected', 'wikisrcd.received']
    if program == 'wmfetchd':
        return [s for s in DELIVERY if s != 'delivery.sent'] + ['wmfetchd.asked', 'wmfetchd.taken',
                                                                'wmfetchd.answered']
    own = [name for name in STEPS if name.startswith(f'{output}.')]
    if output != 'clickhouse':  # it keeps the position: nothing is announced but claims, nothing is looked up
        return [name for name in SINK if name not in RARE] + own
    return SINK


def count_max(name):
    return 1 if name in ONCE else OFTEN.get(name, 6)
