// What a new user does, in a browser, from signing in to a quota; every number is held against REST and kcat.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { kcat, openBrowser, runTests, startLeatd, waitFor } from './harness.mjs';

const leatd = await startLeatd('--no-demo');
const window_ = await openBrowser(leatd.base);
const { page } = window_;
const { admin_user: admin, admin_password: password } = leatd.quickstart;

// What the story leaves behind from test to test.
let cluster;
let account;
const key = {};
const base = () => `/clusters/${cluster.id}`;
const leat = path => leatd.rest(`/leat/v1/clusters/${cluster.id}${path}`);
const number = text => Number(text.replace(/[^0-9]/g, ''));
const button = name => page.getByRole('button', { name, exact: true });
const inDialog = () => page.getByRole('dialog');
const row = name => page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });
// The cell of a row under the heading of that name.
async function cell(table, name, heading) {
  await table.getByRole('link', { name, exact: true }).waitFor();
  const headings = await table.getByRole('columnheader').allInnerTexts();
  const at = headings.findIndex(h => h.replace(/[↑↓]/g, '').trim() === heading);
  assert.ok(at >= 0, `no column ${heading} among ${headings.join(', ')}`);
  return (await row(name).locator('td').nth(at).innerText()).trim();
}
// The numbers of a column, once the table has rows.
async function column(table, heading) {
  await table.locator('tbody tr').first().waitFor();
  const headings = (await table.getByRole('columnheader').allInnerTexts()).map(h => h.replace(/[↑↓]/g, '').trim());
  const at = headings.indexOf(heading);
  const texts = await table.locator('tbody tr').evaluateAll((rows, i) => rows.map(r => r.cells[i]?.innerText || ''), at);
  return texts.map(number);
}
async function visit(path, heading) {
  await page.goto(path);
  await page.getByRole('heading', { level: 1, name: heading }).waitFor();
}
const endOffset = (topic, partition) =>
  Number(kcat(cluster.bootstrap_servers, key, ['-Q', '-t', `${topic}:${partition}:-1`]).match(/offset (\d+)/)[1]);
function produce(topic, from, to) {
  const lines = [];
  for (let i = from; i < to; i++) lines.push(`key-${i}\t{"n":${i},"colour":"blue","big":9007199254740993}`);
  kcat(cluster.bootstrap_servers, key, ['-P', '-t', topic, '-K', '\t', '-X', 'acks=all'], lines.join('\n') + '\n');
}

const tests = [
  ['a wrong password is refused in a sentence', async () => {
    window_.expects(/401 \(Unauthorized\)/);
    await page.goto('/');
    await page.getByLabel('Login').fill(admin);
    await page.getByLabel('Password').fill('not it');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: /\w+ .*\./ }).waitFor();
    assert.equal(await page.getByRole('navigation', { name: 'Main' }).count(), 0);
  }],

  ['the right one opens the page that was asked for', async () => {
    await page.goto('/audit');
    await page.getByLabel('Login').fill(admin);
    await page.getByLabel('Password').fill(password);
    await button('Sign in').click();
    await page.getByRole('heading', { level: 1, name: 'Audit' }).waitFor();
    assert.equal(new URL(page.url()).pathname, '/audit');
  }],

  ['an empty fleet offers the next action, and a cluster is made there', async () => {
    await visit('/', 'Clusters');
    await button('New cluster').last().click();
    await inDialog().getByLabel('Name', { exact: true }).fill('till');
    await inDialog().getByLabel('production').check();
    await inDialog().getByRole('button', { name: 'Create cluster' }).click();
    await page.getByRole('heading', { level: 1, name: 'till' }).waitFor();
    await page.getByText('Running', { exact: true }).first().waitFor();
    const listed = (await leatd.rest('/leat/v1/clusters')).data;
    assert.equal(listed.length, 1);
    [cluster] = listed;
    assert.equal(cluster.display_name, 'till');
    assert.equal(cluster.tag, 'production');
    assert.equal(cluster.state.name, 'running');
    assert.ok(page.url().endsWith(base()));
    await visit('/', 'Clusters');
    await row('till').getByText('Running').waitFor();
    await row('till').getByText('production').waitFor();
  }],

  ['a topic is made with the partitions and the retention asked for', async () => {
    await visit(`${base()}/topics`, 'Topics');
    await button('Create topic').last().click();
    await inDialog().getByLabel('Name', { exact: true }).fill('payments');
    await inDialog().getByLabel('Partitions').fill('4');
    await inDialog().getByLabel('Keep records for').fill('3');
    await inDialog().getByLabel('Unit').first().selectOption({ label: 'days' });
    await inDialog().getByRole('button', { name: 'Create topic' }).click();
    await page.getByRole('heading', { level: 1, name: 'payments' }).waitFor();
    const topic = await leat('/topics/payments');
    assert.equal(topic.partitions_count, 4);
    assert.equal(topic.retention_ms, 3 * 86400000);
  }],

  ['a refused topic says why, and keeps what was typed', async () => {
    window_.expects(/status of 4\d\d/);
    await visit(`${base()}/topics`, 'Topics');
    await button('Create topic').first().click();
    await inDialog().getByLabel('Name', { exact: true }).fill('payments');
    await inDialog().getByRole('button', { name: 'Create topic' }).click();
    const said = await inDialog().getByRole('alert').innerText();
    assert.match(said, /payments|exist/i);
    assert.equal(await inDialog().getByLabel('Name', { exact: true }).inputValue(), 'payments');
    await page.keyboard.press('Escape');
    await inDialog().waitFor({ state: 'detached' });
  }],

  ['a form keeps what was typed while the page behind it still loads', async () => {
    let arrive;
    const late = new Promise(done => { arrive = done; });
    const lists = url => url.pathname.endsWith('/topics') && url.searchParams.has('page_size');
    await page.route(lists, async route => { await late; await route.continue(); });
    await visit(`${base()}/topics`, 'Topics');
    await button('Create topic').first().click();
    await inDialog().getByLabel('Name', { exact: true }).fill('typed early');
    arrive();
    await page.locator('main table tbody tr').first().waitFor();
    assert.equal(await inDialog().getByLabel('Name', { exact: true }).inputValue(), 'typed early');
    await page.unroute(lists);
    await page.keyboard.press('Escape');
    await inDialog().waitFor({ state: 'detached' });
  }],

  ['a SCRAM user gets a password that is shown once, and signs in with it', async () => {
    await visit(`${base()}/access`, 'Access');
    await button('New SCRAM user').click();
    await inDialog().getByLabel('Name', { exact: true }).fill('warehouse');
    await inDialog().getByRole('button', { name: 'Create' }).click();
    await inDialog().getByText('It is shown this once.').waitFor();
    const [name, password] = await inDialog().locator('dd .mono').allInnerTexts();
    assert.ok(name === 'warehouse' && password.length === 43, `${name} and its password`);
    await inDialog().getByRole('checkbox').check();
    await inDialog().getByRole('button', { name: 'Done' }).click();
    await inDialog().waitFor({ state: 'detached' });
    const users = page.getByRole('table', { name: 'SCRAM users' });
    await users.getByText('SCRAM-SHA-512').waitFor();
    assert.equal((await page.content()).includes(password), false);
    const scram = ['-X', 'sasl.mechanism=SCRAM-SHA-512'];
    await users.getByRole('button', { name: 'Grant access' }).click();
    await inDialog().getByLabel('Topic', { exact: true }).fill('payments');
    await inDialog().getByRole('button', { name: 'Grant access' }).click();
    await inDialog().waitFor({ state: 'detached' });
    kcat(cluster.bootstrap_servers, { id: name, secret: password }, [...scram, '-L', '-t', 'payments']);
    const gone = await leatd.rest(`/kafka/v3/clusters/${cluster.id}/acls?principal=User:warehouse&resource_type=TOPIC&pattern_type=LITERAL&operation=ANY&permission=ANY`, 'DELETE');
    assert.deepEqual(gone.data.map(a => a.operation).sort(), ['DESCRIBE', 'WRITE']);
    await users.getByRole('button', { name: 'New password' }).click();
    await inDialog().getByLabel('Password').fill('seven seas');
    await inDialog().getByRole('button', { name: 'Set password' }).click();
    await inDialog().waitFor({ state: 'detached' });
    kcat(cluster.bootstrap_servers, { id: name, secret: 'seven seas' }, [...scram, '-L']);
    await users.getByRole('button', { name: 'Delete' }).click();
    await inDialog().getByRole('textbox').fill('warehouse');
    await inDialog().getByRole('button', { name: 'Delete SCRAM user' }).click();
    await page.getByText('No SCRAM user').waitFor();
    assert.deepEqual((await leat('/scram-users')).data, []);
  }],

  ['a service account gets a key whose secret is shown once', async () => {
    await visit(`${base()}/access`, 'Access');
    await button('New service account').first().click();
    await inDialog().getByLabel('Name', { exact: true }).fill('till-app');
    await inDialog().getByRole('button', { name: 'Create', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: 'till-app' }).waitFor();
    account = (await leatd.rest('/iam/v2/service-accounts?display_name=till-app')).data[0];
    await button('New key').first().click();
    const done = inDialog().getByRole('button', { name: 'Done' });
    await done.waitFor();
    assert.ok(await done.isDisabled(), 'Done waits for the tick');
    await inDialog().locator('dd .mono').first().waitFor();
    [key.id, key.secret] = await inDialog().locator('dd .mono').allInnerTexts();
    assert.ok(/^[A-Z2-7]{16}$/.test(key.id) && key.secret.length > 40, `${key.id} and its secret`);
    await inDialog().getByRole('checkbox').check();
    await done.click();
    await inDialog().waitFor({ state: 'detached' });
    await page.getByText(key.id).first().waitFor();
    assert.equal((await page.content()).includes(key.secret), false);
    const keys = (await leatd.rest(`/iam/v2/api-keys?spec.owner=${account.id}`)).data;
    assert.deepEqual(keys.map(k => [k.id, k.spec.resource.id]), [[key.id, cluster.id]]);
  }],

  ['without a grant the key may not write, with it it may', async () => {
    assert.throws(() => produce('payments', 0, 1), /authori[sz]/i);
    for (const [intent, fields] of [['May produce', {}], ['May consume', { 'Group': '*' }]]) {
      await button('Grant access').first().click();
      await inDialog().getByLabel(intent).check();
      await inDialog().getByLabel('Topic', { exact: true }).fill('*');
      for (const [label, text] of Object.entries(fields)) await inDialog().getByLabel(label, { exact: true }).fill(text);
      await inDialog().getByRole('button', { name: 'Grant access' }).click();
      await inDialog().waitFor({ state: 'detached' });
    }
    const acls = (await leatd.rest(`/kafka/v3/clusters/${cluster.id}/acls?principal=User:${account.id}`)).data;
    assert.ok(acls.some(a => a.resource_type === 'TOPIC' && a.operation === 'WRITE'));
    assert.ok(acls.some(a => a.resource_type === 'GROUP' && a.operation === 'READ'));
    const shown = page.getByRole('table', { name: 'ACLs' }).locator('tbody tr');
    await waitFor(async () => (await shown.count()) === acls.length, 'the table of ACLs has every one of them');
    produce('payments', 0, 1000);
  }],

  ['the topic shows as many records as REST and kcat count', async () => {
    const ends = [0, 1, 2, 3].map(p => endOffset('payments', p));
    const total = ends.reduce((a, b) => a + b, 0);
    assert.equal(total, 1000);
    assert.equal((await leat('/topics/payments')).records, total);
    await visit(`${base()}/topics`, 'Topics');
    const table = page.getByRole('table', { name: 'Topics' });
    await waitFor(async () => number(await cell(table, 'payments', 'Records')) === total, 'the list of topics counts them');
    await visit(`${base()}/topics/payments`, 'payments');
    const parts = page.getByRole('table', { name: 'Partitions' });
    await waitFor(async () => `${await column(parts, 'Next offset')}` === `${ends}`, 'the table of partitions has the offsets');
  }],

  ['messages come newest first, filter, and open as JSON without losing a digit', async () => {
    await visit(`${base()}/topics/payments?tab=messages`, 'payments');
    const table = page.getByRole('table', { name: 'Messages' });
    await table.locator('tbody tr').first().waitFor();
    const newest = (await leat('/topics/payments/records?from=newest&limit=1')).data[0];
    await table.locator('tbody tr').first().getByText(newest.key.data, { exact: true }).waitFor();
    const box = page.getByRole('searchbox', { name: 'Filter' });
    await box.fill('value.n >= 998 and not key contains "999"');
    await page.keyboard.press('Enter');
    await waitFor(async () => (await table.locator('tbody tr').count()) === 1, 'one record passes the tests');
    await table.getByText('key-998', { exact: true }).waitFor();
    window_.expects(/status of 400/);
    await box.fill('value.n >> 5');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('at character 10').waitFor();
    await box.fill('"n":417,');
    await page.keyboard.press('Enter');
    await table.getByText('key-417', { exact: true }).waitFor();
    await waitFor(async () => (await table.locator('tbody tr').count()) === 1, 'one record has the text');
    assert.match(page.url(), /filter=/);
    await table.locator('tbody tr').first().getByRole('button').first().press('Enter');
    const json = await page.locator('.rec pre').filter({ hasText: '"n": 417' }).innerText();
    assert.match(json, /9007199254740993/);
    await page.reload();
    await waitFor(async () => (await table.locator('tbody tr').count()) === 1, 'a reload keeps the filter');
    await visit(`${base()}/topics/payments?tab=messages&from=oldest`, 'payments');
    await button('Show more').click();
    await page.getByText('150 shown').waitFor();
  }],

  ['a long search shows how far it is, and Stop closes its connection', async () => {
    const progress = { found: 0, scanned: { records: 4000, bytes: 123000 }, unreadable_batches: 0, left: 12000, partitions: [] };
    let closed;
    const gone = new Promise(done => { closed = done; });
    const slow = createServer((rq, rs) => { // a search that never ends by itself
      rq.on('close', closed);
      rs.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(`event: progress\ndata: ${JSON.stringify(progress)}\n\n`);
    });
    await new Promise(done => slow.listen(0, '127.0.0.1', done));
    await page.route(url => url.pathname.endsWith(':search'), (route, rq) => {
      const url = new URL(rq.url());
      url.port = String(slow.address().port);
      return route.continue({ url: url.href });
    });
    await page.goto(`${base()}/topics/payments?tab=messages&filter=nothing`);
    await page.getByText('Looked at 4,000 records, 120 KiB, 25 % of it.').waitFor();
    await button('Stop').click();
    await gone;
    await page.getByText('Nothing found so far').waitFor();
    await page.unrouteAll();
    slow.close();
  }],

  ['the way to connect is TLS, with the CA to download, or plain', async () => {
    await visit(base(), 'till');
    await button('Connect').click();
    const security = inDialog().locator('dl.kv');
    await security.getByText(cluster.tls_bootstrap_servers).waitFor();
    const [file] = await Promise.all([page.waitForEvent('download'), inDialog().getByRole('link', { name: 'leat-ca.pem' }).click()]);
    assert.equal(readFileSync(await file.path(), 'utf8'), (await leatd.rest('/leat/v1/certificate-authority')).certificate);
    for (const part of ['-X ssl.ca.location=leat-ca.pem', 'ssl.truststore.location=leat-ca.pem'])
      await inDialog().getByText(part).first().waitFor();
    await inDialog().getByLabel('Transport').selectOption('plain');
    await security.getByText(cluster.bootstrap_servers).waitFor();
    assert.equal(await inDialog().getByText('SASL_SSL').count(), 0);
    await page.keyboard.press('Escape');
  }],

  ['live tail shows a record that was just written', async () => {
    await visit(`${base()}/topics/payments?tab=messages`, 'payments');
    await button('Live tail').click();
    produce('payments', 1000, 1001);
    await page.getByRole('table', { name: 'Messages' }).getByText('key-1000', { exact: true }).waitFor();
    await button('Stop').click();
  }],

  ['lag is the same in the console, in REST and in kcat, and falls as the group reads', async () => {
    const read = count => kcat(cluster.bootstrap_servers, key,
      ['-G', 'counter', '-c', String(count), '-X', 'auto.offset.reset=earliest', 'payments']);
    const lag = async () => (await leat('/groups/counter')).total_lag;
    read(400);
    const behind = await waitFor(lag, 'the group is behind');
    const committed = (await leat('/groups/counter')).lags;
    const byKcat = committed.map(l => endOffset('payments', l.partition) - l.current_offset).reduce((a, b) => a + b, 0);
    assert.equal(behind, byKcat);
    await visit(`${base()}/groups`, 'Groups');
    const table = page.getByRole('table', { name: 'Groups' });
    await waitFor(async () => number(await cell(table, 'counter', 'Records behind')) === behind, 'the list of groups says it');
    await waitFor(async () => / s$|^\d+ m/.test(await cell(table, 'counter', 'Time lag')), 'and how old the next record is');
    await visit(`${base()}/topics/payments?tab=groups`, 'payments');
    await waitFor(async () => number(await cell(page.getByRole('table', { name: 'Groups' }), 'counter', 'Records behind')) === behind, 'so does the topic');
    await visit(`${base()}/groups`, 'Groups');
    await row('counter').getByRole('link', { name: 'counter' }).click();
    await page.getByRole('heading', { level: 1, name: 'counter' }).waitFor();
    const parts = page.getByRole('table', { name: 'Lag by partition' });
    await waitFor(async () => (await column(parts, 'Behind')).reduce((a, b) => a + b, 0) === behind, 'the page of the group says it');
    read(1001 - 400); // all that is left, also of partitions the group has not met yet
    await waitFor(async () => (await lag()) === 0, 'the group is in step');
    const strip = page.locator('.strip div').filter({ hasText: 'Records behind' }).locator('dd').first();
    await waitFor(async () => number(await strip.innerText()) === 0, 'the page follows without a reload');
    const age = page.locator('.strip div').filter({ hasText: 'Time lag' }).locator('dd').first();
    await waitFor(async () => (await age.innerText()) === '0', 'nothing is left to get old');
  }],

  ['a reset of offsets shows before and after, then a consumer reads from there', async () => {
    await visit(`${base()}/groups/counter`, 'counter');
    await button('Reset offsets').click();
    const plan = inDialog().getByRole('table', { name: 'Before and after' });
    await inDialog().getByText('1,001 records will be read again, none are skipped.').waitFor();
    const now = Object.fromEntries((await leat('/groups/counter')).lags.map(l => [l.partition, l.current_offset]));
    assert.deepEqual(await column(plan, 'Now at'), [0, 1, 2, 3].map(p => now[p]));
    assert.deepEqual(await column(plan, 'Will be at'), [0, 0, 0, 0]);
    assert.equal((await leat('/groups/counter')).total_lag, 0, 'a preview changes nothing');
    await inDialog().getByLabel('Move to').selectOption({ label: 'So many records on or back' });
    assert.ok(await inDialog().getByRole('button', { name: 'Reset' }).isDisabled(), 'a shift needs its number');
    await inDialog().getByLabel('Records', { exact: true }).fill('-2');
    await inDialog().getByText('8 records will be read again').waitFor();
    await inDialog().getByLabel('Move to').selectOption({ label: 'The oldest record' });
    await inDialog().getByText('1,001 records will be read again').waitFor();
    await inDialog().getByRole('button', { name: 'Reset 4 partitions' }).click();
    await inDialog().waitFor({ state: 'detached' });
    assert.equal((await leat('/groups/counter')).total_lag, 1001);
    kcat(cluster.bootstrap_servers, key, ['-G', 'counter', '-c', '1001', 'payments']);
    await waitFor(async () => (await leat('/groups/counter')).total_lag === 0, 'the consumer has read them all again');
  }],

  ['who reads a topic is shown with the group and what it read, until it goes', async () => {
    const login = Object.entries({ 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'PLAIN', 'sasl.username': key.id, 'sasl.password': key.secret, 'client.id': 'watcher', 'auto.offset.reset': 'earliest' });
    const reader = spawn('kcat', ['-b', cluster.bootstrap_servers, ...login.flatMap(([k, v]) => ['-X', `${k}=${v}`]), '-q', '-G', 'watchers', 'payments'], { stdio: 'ignore' });
    try {
      const told = await waitFor(async () => (await leat('/topics/payments/clients')).data.find(x => x.client_id === 'watcher' && x.consumer_group_id && x.records_out >= 1001), 'REST tells the reader');
      await visit(`${base()}/topics/payments?tab=clients`, 'payments');
      const shown = page.getByRole('table', { name: 'Readers' }).getByRole('row').filter({ hasText: 'watcher' });
      await shown.getByText(told.records_out.toLocaleString('en-US')).waitFor();
      await shown.getByText(told.principal).waitFor();
      assert.equal(await shown.getByRole('link', { name: 'watchers' }).getAttribute('href'), `${base()}/groups/watchers`);
      assert.ok((await shown.innerText()).includes(`${told.software_name} ${told.software_version}`), 'the library it uses is said');
      await visit(`${base()}/clients?find=watcher`, 'Clients');
      const connected = page.getByRole('table', { name: 'Clients' }).getByRole('row').filter({ hasText: 'watcher' });
      await connected.filter({ hasText: 'reads' }).getByText('1 topic').waitFor();
      const mine = async () => (await leat('/clients')).data.filter(x => x.client_id === 'watcher').length;
      await waitFor(async () => await connected.count() === await mine(), 'a row a connection');
      await page.getByLabel('Find a client').fill('nobody of that name');
      await page.getByText('No client matches').waitFor();
      await visit(`${base()}/topics/payments?tab=clients`, 'payments');
      await shown.waitFor();
      reader.kill();
      await shown.waitFor({ state: 'detached' });
    } finally {
      reader.kill();
    }
    await waitFor(async () => !(await leat('/topics/payments/clients')).data.some(x => x.client_id === 'watcher'), 'REST does not tell it any more');
  }],

  ['a filter lives in the URL and is there again on the way back', async () => {
    await visit(`${base()}/topics`, 'Topics');
    await page.getByRole('searchbox').fill('pay');
    await row('payments').waitFor();
    await page.waitForURL(url => url.searchParams.get('find') === 'pay');
    await row('payments').getByRole('link', { name: 'payments' }).click();
    await page.getByRole('heading', { level: 1, name: 'payments' }).waitFor();
    await page.goBack();
    await page.getByRole('heading', { level: 1, name: 'Topics' }).waitFor();
    assert.equal(await page.getByRole('searchbox').inputValue(), 'pay');
    await page.getByRole('searchbox').fill('nothing like it');
    await page.getByText('No topic matches').waitFor();
  }],

  ['a quota set in the console is the one that REST tells, and can be changed in place', async () => {
    await visit(`${base()}/quotas`, 'Quotas');
    const mine = page.getByRole('row').filter({ hasText: 'till-app' });
    await mine.getByRole('button', { name: 'Set quota' }).click();
    await page.getByLabel('May send').fill('1');
    await button('Save').click();
    await mine.getByText(/of 1(\.0)? MB\/s/).first().waitFor();
    const told = async () => (await leatd.rest(
      `/kafka-quotas/v1/client-quotas?spec.cluster=${cluster.id}&environment=${cluster.environment.id}`)).data;
    const [quota] = await told();
    assert.equal(quota.spec.throughput.ingress_byte_rate, '1000000');
    assert.deepEqual(quota.spec.principals.map(p => p.id), [account.id]);
    await mine.getByRole('button', { name: 'Edit' }).click();
    await page.getByLabel('May send').fill('2');
    await button('Save').click();
    await waitFor(async () => (await told())[0].spec.throughput.ingress_byte_rate === '2000000', 'the new limit is stored');
  }],

  ['for how long quotas held somebody back is shown as REST says it', async () => {
    const held = { throttle_ms_per_s: 250, throttled_ms_last_minute: 4500, throttled_ms_last_hour: 90000 };
    await page.route('**/principals', async route => { // the answer, with a busy hour in it
      const answer = await route.fetch();
      const body = await answer.json();
      for (const p of body.data) {
        assert.deepEqual(Object.keys(p.use).sort(), ['egress_bytes_per_s', 'ingress_bytes_per_s', ...Object.keys(held)].sort());
        Object.assign(p.use, held);
      }
      await route.fulfill({ response: answer, json: body });
    });
    await visit(`${base()}/quotas`, 'Quotas');
    const mine = page.getByRole('row').filter({ hasText: 'till-app' });
    await mine.getByText('250 ms a second').waitFor();
    await mine.getByText('4.5 s in the last minute, 1.5 m in the last hour').waitFor();
    await page.getByText('till-app is being slowed down').waitFor();
    Object.assign(held, { throttle_ms_per_s: 0, throttled_ms_last_minute: 0 });
    await mine.getByText('not now').waitFor();
    Object.assign(held, { throttled_ms_last_hour: 0 });
    await mine.getByText('no', { exact: true }).waitFor();
    await page.unroute('**/principals');
  }],

  ['a Kafka quota of a client id is set, changed and removed, and one that a principal has is refused', async () => {
    await visit(`${base()}/quotas`, 'Quotas');
    await button('New Kafka quota').click();
    await inDialog().getByLabel('For').selectOption({ label: 'A client id' });
    await inDialog().getByLabel('Client id', { exact: true }).fill('nightly');
    await inDialog().getByLabel('May read').fill('3');
    await inDialog().getByRole('button', { name: 'Set quota' }).click();
    await inDialog().waitFor({ state: 'detached' });
    const mine = page.getByRole('table', { name: 'Kafka quotas' }).getByRole('row').filter({ hasText: 'nightly' });
    await mine.getByText('3 MB/s').waitFor();
    const told = async () => (await leat('/kafka-quotas?client_id=nightly')).data.map(q => q.quotas);
    assert.deepEqual(await told(), [{ consumer_byte_rate: 3000000 }]);
    await mine.getByRole('button', { name: 'Edit' }).click();
    await inDialog().getByLabel('Time of requests').fill('25');
    await inDialog().getByRole('button', { name: 'Save' }).click();
    await mine.getByText('25 %').waitFor();
    assert.deepEqual(await told(), [{ consumer_byte_rate: 3000000, request_percentage: 25 }]);
    await mine.getByTitle('It was not used since its broker started').waitFor();
    await mine.getByRole('button', { name: 'Remove' }).click();
    await page.getByText('No Kafka quota').waitFor();
    assert.deepEqual(await told(), []);
    window_.expects(/status of 409/);
    await button('New Kafka quota').click();
    await inDialog().getByLabel('User', { exact: true }).fill(account.id);
    await inDialog().getByLabel('May send').fill('1');
    await inDialog().getByRole('button', { name: 'Set quota' }).click();
    await inDialog().getByRole('alert').getByText(/cq-/).waitFor();
    await page.keyboard.press('Escape');
    await inDialog().waitFor({ state: 'detached' });
  }],

  ['what a client id uses of its quota, and for how long it waits, stands beside the quota', async () => {
    await visit(`${base()}/quotas`, 'Quotas');
    await button('New Kafka quota').click();
    await inDialog().getByLabel('For').selectOption({ label: 'A client id of a user' });
    await inDialog().getByLabel('User', { exact: true }).fill(account.id);
    await inDialog().getByLabel('Client id', { exact: true }).fill('hourly');
    await inDialog().getByLabel('May send').fill('0.02');
    await inDialog().getByRole('button', { name: 'Set quota' }).click();
    await inDialog().waitFor({ state: 'detached' });
    const mine = page.getByRole('table', { name: 'Kafka quotas' }).getByRole('row').filter({ hasText: 'hourly' });
    await mine.getByTitle('It was not used since its broker started').waitFor();
    const login = ['security.protocol=SASL_PLAINTEXT', 'sasl.mechanism=PLAIN', `sasl.username=${key.id}`, `sasl.password=${key.secret}`, 'client.id=hourly', 'batch.size=2000'];
    const producer = spawn('kcat', ['-b', cluster.bootstrap_servers, ...login.flatMap(l => ['-X', l]), '-P', '-t', 'payments'], { stdio: ['pipe', 'ignore', 'ignore'] });
    const ended = new Promise(done => producer.once('exit', done));
    try {
      producer.stdin.on('error', () => {}); // it is ended before it has taken all
      producer.stdin.write(`${'x'.repeat(1000)}\n`.repeat(3000));
      const sends = mine.getByRole('meter', { name: 'May send' });
      await waitFor(async () => { const n = Number(await sends.getAttribute('aria-valuenow')); return n > 10000 && n < 30000; }, 'its use is near its quota');
      await mine.getByText(/^[\d,]+ ms a second$/).waitFor();
      await mine.getByText(/ since its broker started$/).waitFor();
    } finally {
      producer.kill('SIGKILL'); // it would stay until all is sent
      await ended;
    }
    await mine.getByText('not now').waitFor();
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/quotas.png`, fullPage: true });
    await mine.getByRole('button', { name: 'Remove' }).click();
    await page.getByText('No Kafka quota').waitFor();
  }],

  ['a config is changed in place and shown as set on this topic', async () => {
    await visit(`${base()}/topics/payments?tab=configuration`, 'payments');
    await page.getByRole('button', { name: 'Edit retention.ms' }).click();
    await page.getByLabel('retention.ms', { exact: true }).fill('5');
    await page.getByLabel('Unit').selectOption({ label: 'days' });
    await button('Save').click();
    await waitFor(async () => (await leat('/topics/payments')).retention_ms === 5 * 86400000, 'the new retention is stored');
    await page.getByRole('row').filter({ hasText: 'retention.ms' }).getByText('set on this topic').waitFor();
  }],

  ['a plan is made, chosen, and one limit of the cluster set beside it', async () => {
    await visit('/plans', 'Plans');
    await button('New plan').click();
    await inDialog().getByLabel('Name', { exact: true }).fill('team-small');
    await inDialog().getByLabel('Partitions', { exact: true }).fill('40');
    await button('Create plan').click();
    await page.getByRole('row', { name: /^team-small/ }).waitFor();
    await visit(`${base()}/limits`, 'Limits');
    await button('Change plan').click();
    await inDialog().getByLabel('Plan', { exact: true }).selectOption('team-small');
    await inDialog().getByRole('button', { name: 'Change plan' }).click();
    await waitFor(async () => (await leat('')).plan === 'team-small', 'REST has the plan');
    await page.getByRole('row', { name: /^Partitions/ }).filter({ hasText: '40' }).waitFor();
    await button('Change Open connections').click();
    await inDialog().getByLabel('Its own').check();
    await inDialog().getByLabel('At most').fill('77');
    await button('Set limit').click();
    await page.getByRole('row', { name: /^Open connections/ }).filter({ hasText: 'own' }).waitFor();
    const limits = (await leat('/limits')).data;
    assert.equal(limits.find(l => l.name === 'connections').limit, 77);
    assert.equal(limits.find(l => l.name === 'partitions').limit, 40);
  }],

  ['a naming policy refuses a topic in its own words, and a request is approved with its access', async () => {
    await visit('/environments', 'Environments');
    await button(`Topic policy of ${cluster.environment.display_name}`).click();
    await inDialog().getByLabel('Names begin with').fill('pay');
    await inDialog().getByLabel('In words').fill('Topics of payments begin with pay.');
    await button('Save policy').click();
    await page.getByRole('table', { name: 'Environments' }).getByText('names begin with pay').waitFor();
    await visit('/requests', 'Topic requests');
    await button('Ask for a topic').click();
    await inDialog().getByLabel('Cluster', { exact: true }).selectOption(cluster.id);
    await inDialog().getByLabel('Topic', { exact: true }).fill('orders');
    await button('Ask').click();
    await inDialog().getByRole('alert').filter({ hasText: /pay/ }).waitFor();
    await inDialog().getByLabel('Topic', { exact: true }).fill('payouts');
    await inDialog().getByLabel('Access for').selectOption(account.id);
    await inDialog().getByLabel('Consumer group').fill('bank');
    await button('Ask').click();
    await page.getByRole('row', { name: /^payouts/ }).getByRole('button', { name: 'Approve' }).click();
    await inDialog().getByRole('button', { name: 'Approve' }).click();
    await waitFor(async () => (await leat('/topics')).data.some(t => t.topic_name === 'payouts'), 'the topic is made');
    const operations = async () => (await leatd.rest(`/kafka/v3/clusters/${cluster.id}/acls?resource_name=payouts`)).data.map(a => a.operation).sort();
    await waitFor(async () => `${await operations()}` === 'READ,WRITE', 'and its access');
    await visit('/environments', 'Environments');
    await button(`Topic policy of ${cluster.environment.display_name}`).click();
    await inDialog().getByLabel('Names begin with').fill('');
    await button('Save policy').click();
    await page.getByRole('table', { name: 'Environments' }).getByText('any topic').waitFor();
    await leatd.rest(`/kafka/v3/clusters/${cluster.id}/topics/payouts`, 'DELETE');
  }],

  ['a cluster is paused with a reason and resumed', async () => {
    window_.expects(/503 \(Service Unavailable\)/); // its broker goes away under the page
    await visit(base(), cluster.display_name);
    await button('Pause').click();
    await inDialog().getByLabel('Reason').fill('moving house');
    await inDialog().getByRole('button', { name: 'Pause' }).click();
    await page.getByText('moving house').first().waitFor();
    await waitFor(async () => (await leat('')).state.pid === null, 'its process has ended');
    await button('Resume').click();
    await waitFor(async () => (await leat('')).state.name === 'running', 'it runs again');
    await page.getByText('moving house').first().waitFor({ state: 'detached' });
  }],

  ['an upgrade that waits for its confirmation is said, and confirmed', async () => {
    const path = `**/leat/v1/clusters/${cluster.id}`;
    let confirmed = false;
    await page.route(path, async route => {  // as if its folder were from before
      const response = await route.fetch();
      const json = await response.json();
      json.format.upgrade_to_confirm = !confirmed;
      await route.fulfill({ response, json });
    });
    await visit(base(), cluster.display_name);
    await page.getByRole('link', { name: 'Confirm it under Processes' }).click();
    await button('Confirm the upgrade').click();
    const [sent] = await Promise.all([
      page.waitForResponse(r => r.request().method() === 'POST' && r.url().endsWith(':confirm-upgrade')),
      inDialog().getByRole('button', { name: 'Confirm the upgrade' }).click(),
    ]);
    assert.equal(sent.status(), 200);
    confirmed = true;
    await page.getByText('Its upgrade is not confirmed').waitFor({ state: 'detached' });
    await page.unroute(path);
  }],

  ['every page says what it would be as a curl line', async () => {
    for (const path of ['', '/topics', '/topics/payments', '/groups', '/groups/counter', '/access', '/quotas']) {
      await page.goto(base() + path);
      await button('Automate this').first().click();
      await inDialog().locator('pre', { hasText: cluster.id }).first().waitFor();
      const lines = await inDialog().locator('pre').allInnerTexts();
      assert.ok(lines.some(l => l.startsWith('curl ') && l.includes(cluster.id)), `${path}: ${lines}`);
      await page.keyboard.press('Escape');
      await inDialog().waitFor({ state: 'detached' });
    }
  }],

  ['the curl line of the topic list works as it stands', async () => {
    await visit(`${base()}/topics`, 'Topics');
    await button('Automate this').click();
    await inDialog().locator('pre', { hasText: cluster.id }).first().waitFor();
    const line = (await inDialog().locator('pre').allInnerTexts()).find(l => l.startsWith('curl '));
    const { spawnSync } = await import('node:child_process');
    const q = leatd.quickstart;
    const p = spawnSync('bash', ['-c', line.replace(/^curl/, 'curl -sf')], { encoding: 'utf8', env: { ...process.env,
      LEAT: leatd.base, LEAT_KEY: `${q.cloud_api_key}:${q.cloud_api_secret}`, LEAT_API_KEY: q.cloud_api_key, LEAT_API_SECRET: q.cloud_api_secret } });
    assert.equal(p.status, 0, p.stderr);
    assert.equal(JSON.parse(p.stdout).data[0].topic_name, 'payments');
    await page.keyboard.press('Escape');
  }],

  ['every control has a name, on every page, light and dark', async () => {
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const path of ['/', '/audit', '/environments', '/plans', '/requests', '/people', '/profile', base(), `${base()}/limits`, `${base()}/topics`, `${base()}/topics/payments`, `${base()}/topics/payments?tab=messages`,
        `${base()}/topics/payments?tab=groups`, `${base()}/topics/payments?tab=clients`, `${base()}/topics/payments?tab=configuration`, `${base()}/groups`, `${base()}/groups/counter`, `${base()}/clients`,
        `${base()}/access`, `${base()}/access/${account.id}`, `${base()}/quotas`]) {
        await page.goto(path);
        await page.getByRole('heading', { level: 1 }).waitFor();
        await page.waitForLoadState('networkidle').catch(() => {});
        const nameless = await page.evaluate(() => [...document.querySelectorAll('button, a[href], input, select, textarea')]
          .filter(e => !(e.getAttribute('aria-label') || e.innerText?.trim() || e.labels?.length || e.title))
          .map(e => e.outerHTML.slice(0, 120)));
        assert.deepEqual(nameless, [], path);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${path} scrolls sideways`);
      }
    }
    await page.emulateMedia({ colorScheme: 'light' });
  }],

  ['somebody is invited by a link, joins, is given a role, and changes the password', async () => {
    await visit('/people', 'People');
    await button('Invite').click();
    await inDialog().getByLabel('E-mail').fill('guest@example.com');
    await inDialog().getByRole('button', { name: 'Make the link' }).click();
    const link = (await inDialog().locator('dd .mono').innerText()).trim();
    await inDialog().getByRole('button', { name: 'Done' }).click();
    const people = page.getByRole('table', { name: 'People' });
    await people.getByRole('row').filter({ hasText: 'guest@example.com' }).filter({ hasText: 'invited' }).waitFor();

    const context = await page.context().browser().newContext({ baseURL: leatd.base });
    const guest = await context.newPage();
    await guest.goto(link);
    await guest.getByLabel('Name').fill('Guest Person');
    await guest.getByLabel('Password').fill('a long enough guest password');
    await guest.getByRole('button', { name: 'Join' }).click();
    await guest.getByRole('heading', { level: 1, name: 'Clusters' }).waitFor();
    assert.equal(await guest.getByRole('link', { name: cluster.display_name, exact: true }).count(), 0);

    await visit('/people', 'People');
    await button('Give a role').click();
    await inDialog().getByLabel('To').selectOption({ label: 'Guest Person' });
    await inDialog().getByLabel('Role').selectOption('Operator');
    await inDialog().getByLabel('On').selectOption('cloud-cluster');
    await inDialog().getByLabel('Cluster').selectOption(cluster.id);
    await inDialog().getByRole('button', { name: 'Give the role' }).click();
    await page.getByRole('table', { name: 'Roles given' }).getByRole('row').filter({ hasText: 'Guest Person' }).filter({ hasText: cluster.display_name }).waitFor();
    await guest.goto('/');
    await guest.getByRole('link', { name: cluster.display_name, exact: true }).first().waitFor();

    await guest.goto('/profile');
    await guest.getByLabel('Current password').fill('a long enough guest password');
    await guest.getByLabel('New password').fill('another long guest password');
    await guest.getByRole('button', { name: 'Change the password' }).click();
    await guest.getByText('The password is changed.').waitFor();
    await guest.getByRole('table', { name: 'Sessions' }).getByText('this one').waitFor();
    await context.close();
  }],

  ['the audit log is searched and its chain checked', async () => {
    await visit('/audit', 'Audit');
    await page.getByRole('searchbox', { name: 'Search' }).fill('guest@example.com');
    const table = page.getByRole('table', { name: 'Audit' });
    await waitFor(async () => {
      const rows = await table.locator('tbody tr').allInnerTexts();
      return rows.length > 0 && rows.every(t => t.includes('guest@example.com'));
    }, 'rows are there, and every one fits the search');
    await button('Check the chain').click();
    await page.getByText('Intact.').waitFor();
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Export' }).click()]);
    const lines = readFileSync(await download.path(), 'utf8').trim().split('\n').map(l => JSON.parse(l));
    assert.ok(lines.some(l => l.operation === 'invitation.create'), 'the export has the invitation');
  }],

  ['the access page says what guards which door', async () => {
    await visit(`${base()}/access`, 'Access');
    const doors = page.getByRole('table', { name: 'Doors' });
    await doors.getByRole('row').filter({ hasText: 'Kafka port' }).filter({ hasText: 'ACLs' }).waitFor();
    await doors.getByRole('row').filter({ hasText: 'this console' }).filter({ hasText: 'roles' }).waitFor();
  }],

  ['deleting a topic asks for its name', async () => {
    await visit(`${base()}/topics/payments`, 'payments');
    await button('Delete').first().click();
    const yes = inDialog().getByRole('button', { name: 'Delete topic' });
    assert.ok(await yes.isDisabled());
    await inDialog().getByRole('textbox').fill('payment');
    assert.ok(await yes.isDisabled());
    await inDialog().getByRole('textbox').fill('payments');
    await yes.click();
    await page.getByRole('heading', { level: 1, name: 'Topics' }).waitFor();
    await waitFor(async () => (await leat('/topics')).data.length === 0, 'REST has lost it too');
  }],

  ['signing out ends the session', async () => {
    await button('Sign out').click();
    await button('Sign in').waitFor();
    await page.goto(base());
    await button('Sign in').waitFor();
  }],
];

let code = 1;
try { code = await runTests(tests, window_); } finally {
  await window_.browser.close();
  await leatd.stop();
}
process.exit(code);
