// One transaction that commits (records and an offset), one that aborts; prints what the group has committed.
const { Kafka, logLevel } = require('kafkajs');

async function main() {
  const kafka = new Kafka({ clientId: 'js', brokers: [process.argv[2]], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ transactionalId: 'js-tx', maxInFlightRequests: 1, idempotent: true });
  const admin = kafka.admin();
  await Promise.all([producer.connect(), admin.connect()]);
  const offsets = (offset) => ({
    consumerGroupId: 'js-group',
    topics: [{ topic: 'js-in', partitions: [{ partition: 0, offset }] }],
  });

  const good = await producer.transaction();
  await good.send({ topic: 'js-out', messages: [{ value: 'a', partition: 0 }, { value: 'b', partition: 1 }] });
  await good.sendOffsets(offsets('7'));
  await good.commit();

  const bad = await producer.transaction();
  await bad.send({ topic: 'js-out', messages: [{ value: 'x', partition: 0 }] });
  await bad.sendOffsets(offsets('9'));
  await bad.abort();

  const [found] = await admin.fetchOffsets({ groupId: 'js-group', topics: ['js-in'] });
  const offset = found.partitions.find((p) => p.partition === 0).offset;
  await Promise.all([producer.disconnect(), admin.disconnect()]);
  process.stdout.write(JSON.stringify({ committed: '7', offset }));
}

main().catch((e) => {
  process.stderr.write(`${e.stack}\n`);
  process.exit(1);
});
