// Reads a topic as a group until its standard input ends: node stays.js BOOTSTRAP USER SECRET TOPIC GROUP
const { Kafka, logLevel } = require('kafkajs');

async function main(bootstrap, username, password, topic, groupId) {
  const sasl = { mechanism: 'plain', username, password };
  const kafka = new Kafka({ clientId: 'stays', brokers: [bootstrap], sasl, logLevel: logLevel.ERROR });
  const consumer = kafka.consumer({ groupId, sessionTimeout: 10000 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  let told = false;
  await consumer.run({ eachMessage: async () => {
    if (!told) console.log('reads');
    told = true;
  } });
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.on('end', resolve));
  await consumer.disconnect();
}

main(...process.argv.slice(2)).then(() => process.exit(0), (e) => {
  console.error(e);
  process.exit(1);
});
