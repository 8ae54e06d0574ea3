# SPDX-License-Identifier: Apache-2.0
"""ClickHouse's own Kafka engine as a loader, both ways: each message a text that is taken apart, or parsed as a row."""
import yaml

from measure import watch

EDIT_FIELDS = {
    'title': 'String', 'user': 'String', 'wiki': 'String', 'type': 'String', 'timestamp': 'UInt32', 'comment': 'String',
    'revision': 'Tuple(old Nullable(Int64), new Nullable(Int64))',
    'length': 'Tuple(old Nullable(Int64), new Nullable(Int64))', 'bot': 'Bool', 'minor': 'Bool',
    'namespace': 'Nullable(Int32)', 'id': 'Nullable(Int64)', 'meta': 'Tuple(id Nullable(UUID), domain String)'}
EDIT_COLUMNS = {
    'title': 'title', 'user': 'user', 'wiki': 'wiki', 'type': 'type', 'time': 'toDateTime(timestamp)',
    'comment': 'comment', 'revision_old': 'revision.old', 'revision_new': 'revision.new', 'length_old': 'length.old',
    'length_new': 'length.new', 'bot': 'bot', 'minor': 'minor', 'namespace': 'namespace', 'id': 'id',
    'event_id': 'meta.id', 'domain': 'meta.domain'}


def edits(as_text):
    """(fields of the engine's table, SELECT from it)"""
    if not as_text:
        fields = ', '.join(f'`{name}` {kind}' for name, kind in EDIT_FIELDS.items())
        return fields, ', '.join(f'{value} AS {name}' for name, value in EDIT_COLUMNS.items()), 'SELECT {} FROM {}'
    shape = ', '.join(f'`{name}` {kind}' for name, kind in EDIT_FIELDS.items())
    columns = []
    for name, value in EDIT_COLUMNS.items():
        whole = value.replace('toDateTime(timestamp)', 'toDateTime(e.timestamp)')
        columns.append(f'{whole if whole.startswith("toDateTime") else "e." + whole} AS {name}')
    return 'message String', ', '.join(columns), \
        f"WITH JSONExtract(message, 'Tuple({shape})') AS e SELECT {{}} FROM {{}}"


def series(as_text, route):
    """The element's field, else the transaction's, of each column that has a path."""
    columns = [c for c in yaml.safe_load(route)['columns'] if 'path' in c]
    kinds, values = {}, []
    for column in columns:
        key, kind = column['path'][0].split('.')[1], column['type'].replace('LowCardinality(String)', 'String')
        bare = kind[9:-1] if kind.startswith('Nullable') else kind
        time = bare.startswith('DateTime64')
        kinds[key] = f'Nullable({"Int64" if time else bare})'
        value = f'coalesce(s.`{key}`, {"e." if as_text else ""}`{key}`)'
        if time:
            value = f'fromUnixTimestamp64Milli(assumeNotNull({value}))'
        elif bare == kind:
            value = f'''ifNull({value}, {"''" if bare == "String" else 0})'''
        values.append(f'{value} AS {column["name"]}')
    fields = ', '.join(f'`{name}` {kind}' for name, kind in kinds.items())
    shape = f'{fields}, transactionSeries Array(Tuple({fields}))'
    if as_text:
        return 'message String', ', '.join(values), (
            f"WITH JSONExtract(message, 'Tuple({shape})') AS e SELECT {{}} FROM {{}} "
            "ARRAY JOIN e.transactionSeries AS s")
    return shape, ', '.join(values), 'SELECT {} FROM {} ARRAY JOIN transactionSeries AS s'


def engine(as_text):
    def load(stage, table):
        fields, values, select = edits(as_text) if stage.name == 'edits' else series(as_text, stage.route_text)
        p, queue = stage.p, f'queue_{table}'
        p.clickhouse.query(
            f"CREATE TABLE {queue} ({fields}) ENGINE = Kafka SETTINGS kafka_broker_list = '{p.kafka.servers}', "
            f"kafka_topic_list = '{stage.topic}', kafka_group_name = '{table}', kafka_max_block_size = 65536, "
            f"kafka_poll_max_batch_size = 65536, kafka_flush_interval_ms = 1000, "
            f"kafka_num_consumers = {min(stage.partitions, 2)}, "
            f"kafka_format = '{'JSONAsString' if as_text else 'JSONEachRow'}'"
            f"{'' if as_text else ', input_format_skip_unknown_fields = 1'}")
        try:
            begun = [None]

            def done():
                # The view begins it: inside the time that is measured.
                if not begun[0]:
                    begun[0] = p.clickhouse.query(f'CREATE MATERIALIZED VIEW view_{table} TO {table} AS ' +
                                                  select.format(values, queue)) or 'begun'
                return stage.count(table) >= stage.rows
            return watch(None, stage.world.servers, done, 600)
        finally:
            stage.drop(f'view_{table}', queue)
    return load


def there(clickhouse):
    return int(clickhouse.value("SELECT count() FROM system.table_engines WHERE name = 'Kafka'")) > 0
