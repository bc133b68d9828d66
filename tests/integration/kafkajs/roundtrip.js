// Produces with gzip and reads back as a group: node roundtrip.js BOOTSTRAP TOPIC COUNT
const { Kafka, CompressionTypes, logLevel } = require('kafkajs');

async function main(bootstrap, topic, count) {
  const kafka = new Kafka({ clientId: 'leat-tests', brokers: [bootstrap], logLevel: logLevel.ERROR });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
  const messages = Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: `v${i}` }));
  await producer.send({ topic, messages, compression: CompressionTypes.GZIP, acks: -1 });
  await producer.disconnect();

  const consumer = kafka.consumer({ groupId: `${topic}-readers`, sessionTimeout: 10000 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const seen = new Map();
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, (e) => reject(e.payload.error));
    consumer.run({
      eachMessage: async ({ message }) => {
        seen.set(message.key.toString(), message.value.toString());
        if (seen.size === count) resolve();
      },
    });
  });
  await consumer.disconnect();
  const offsets = await admin.fetchOffsets({ groupId: `${topic}-readers`, topics: [topic] });
  const committed = offsets[0].partitions.reduce((sum, p) => sum + Math.max(0, Number(p.offset)), 0);
  const described = await admin.describeGroups([`${topic}-readers`]);
  await admin.disconnect();
  for (let i = 0; i < count; i++) if (seen.get(`k${i}`) !== `v${i}`) throw new Error(`k${i} is wrong`);
  console.log(JSON.stringify({ seen: seen.size, committed, state: described.groups[0].state }));
}

const [bootstrap, topic, count] = process.argv.slice(2);
main(bootstrap, topic, Number(count)).then(() => process.exit(0), (e) => {
  console.error(e);
  process.exit(1);
});
