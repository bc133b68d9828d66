// kafkajs as a client program; the commands are those of README.md.
const fs = require('fs');
const {
  Kafka, AclOperationTypes, AclPermissionTypes, AclResourceTypes, CompressionTypes, ConfigResourceTypes, ResourcePatternTypes, logLevel,
} = require('kafkajs');

const env = (name) => process.env[`COMPAT_${name}`];
const ROUND = 20; // records of a stream that are on their way at a time
let stopped = false;

const say = (...words) => process.stdout.write(`${words.join(' ')}\n`);

function listenForStop() {
  return new Promise((resolve) => {
    const stop = () => { stopped = true; resolve(); };
    process.stdin.on('data', stop).on('end', stop);
  });
}

function client() {
  return new Kafka({
    clientId: 'leat-compat', brokers: [env('BOOTSTRAP')], logLevel: logLevel.ERROR,
    ssl: env('CA') ? { ca: [fs.readFileSync(env('CA'), 'utf-8')] } : false,
    sasl: { mechanism: env('MECHANISM').toLowerCase(), username: env('USER'), password: env('PASSWORD') },
    retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 30 },
  });
}

async function withAdmin(work) {
  const admin = client().admin();
  await admin.connect();
  await work(admin);
  await admin.disconnect();
}

const record = (n, partitions) => ({ key: String(n), value: String(n), partition: n % partitions });

const commands = {
  topics: (topic, partitions) => withAdmin(async (admin) => {
    await admin.createTopics({ topics: [{ topic, numPartitions: partitions - 1, replicationFactor: 1 }] });
    await admin.createPartitions({ topicPartitions: [{ topic, count: Number(partitions) }] });
    const described = await admin.fetchTopicMetadata({ topics: [topic] });
    if (described.topics[0].partitions.length !== Number(partitions)) throw new Error('the number of partitions');
    if (!(await admin.listTopics()).includes(topic)) throw new Error('the topic is not listed');
    await admin.deleteTopics({ topics: [topic] });
    if ((await admin.listTopics()).includes(topic)) throw new Error('the topic is still listed');
  }),

  async send(topic, partitions, first, count, codec) {
    const producer = client().producer();
    await producer.connect();
    const messages = Array.from({ length: Number(count) }, (_, i) => record(Number(first) + i, Number(partitions)));
    await producer.send({ topic, messages, acks: -1, compression: codec === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None });
    await producer.disconnect();
  },

  // Rounds of a few records, numbered on; a plain stream sends again what was refused, as an application does.
  async stream(topic, partitions, mode) {
    listenForStop();
    const idempotent = mode === 'idempotent';
    const producer = client().producer({ idempotent, maxInFlightRequests: idempotent ? 1 : null, metadataMaxAge: 1000 });
    await producer.connect();
    let sent = 0;
    while (!stopped) {
      const messages = Array.from({ length: ROUND }, (_, i) => record(sent + i, Number(partitions)));
      try {
        await producer.send({ topic, messages, acks: -1 });
      } catch (e) {
        if (idempotent) throw e;
        console.error(e);
        continue;
      }
      sent += ROUND;
      say('acked', sent);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await producer.disconnect();
    return sent;
  },

  async transaction(topic, partitions, transactionalId, first, count, end) {
    const producer = client().producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const transaction = await producer.transaction();
    const messages = Array.from({ length: Number(count) }, (_, i) => record(Number(first) + i, Number(partitions)));
    await transaction.send({ topic, messages, acks: -1 });
    await (end === 'commit' ? transaction.commit() : transaction.abort());
    await producer.disconnect();
  },

  async group(topic, groupId) {
    const stop = listenForStop();
    const consumer = client().consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 500, maxWaitTimeInMs: 200, metadataMaxAge: 1000 });
    const assigned = (partitions) => say('assigned', partitions && partitions.length ? partitions.join(',') : '-');
    consumer.on(consumer.events.GROUP_JOIN, (e) => assigned(e.payload.memberAssignment[topic]));
    consumer.on(consumer.events.REBALANCING, () => assigned([]));
    let crashed = null;
    consumer.on(consumer.events.CRASH, (e) => { if (!e.payload.restart) crashed = e.payload.error; });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommitInterval: 500,
      eachMessage: async ({ partition, message }) => say('record', partition, message.offset, message.value.toString()),
    });
    await stop;
    await consumer.disconnect();
    if (crashed) throw crashed;
  },

  configs: (topic) => withAdmin(async (admin) => {
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
    await admin.alterConfigs({ resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '3600000' }] }] });
    const seen = await admin.describeConfigs({ resources: [{ ...resource, configNames: ['retention.ms'] }], includeSynonyms: false });
    say('value', seen.resources[0].configEntries[0].configValue);
  }),

  groups: (groupId) => withAdmin(async (admin) => {
    const { groups } = await admin.listGroups();
    if (!groups.some((g) => g.groupId === groupId)) throw new Error('the group is not listed');
    say('state', (await admin.describeGroups([groupId])).groups[0].state);
    const offsets = await admin.fetchOffsets({ groupId });
    say('offsets', offsets.flatMap((t) => t.partitions).reduce((sum, p) => sum + Number(p.offset), 0));
    await admin.deleteGroups([groupId]);
  }),

  'delete-records': (topic, offset) => withAdmin(async (admin) => {
    await admin.fetchTopicOffsets(topic); // kafkajs deletes from topics that it has seen alone
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] });
  }),

  acl: (what, topic, principal) => withAdmin(async (admin) => {
    const one = {
      resourceType: AclResourceTypes.TOPIC, resourceName: topic, resourcePatternType: ResourcePatternTypes.LITERAL, principal, host: '*',
      operation: AclOperationTypes.WRITE, permissionType: AclPermissionTypes.ALLOW,
    };
    if (what === 'create') await admin.createAcls({ acl: [one] });
    else await admin.deleteAcls({ filters: [one] });
    const seen = await admin.describeAcls(one);
    if (seen.resources.length !== (what === 'create' ? 1 : 0)) throw new Error('what is described');
  }),
};

const [command, ...args] = process.argv.slice(2);
commands[command](...args).then((result) => {
  say('ok', result === undefined ? '' : result);
  process.exit(0);
}, (e) => {
  console.error(e);
  say('error', String(e).replaceAll('\n', ' '));
  process.exit(1);
});
