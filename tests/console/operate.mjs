// Keeping clusters running, in a browser: processes, fences, certificates and logins, costs, logs, damage, backups, the service, and who may do it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBrowser, runTests, startLeatd, waitFor } from './harness.mjs';

const leatd = await startLeatd('--no-demo');
const window_ = await openBrowser(leatd.base);
const { page } = window_;
const { admin_user: admin, admin_password: password } = leatd.quickstart;
const button = name => page.getByRole('button', { name, exact: true });
const dialog = () => page.getByRole('dialog');
const row = text => page.getByRole('row').filter({ hasText: text });
const says = text => page.getByText(text).first().waitFor();
const toast = text => page.getByRole('status').filter({ hasText: text }).first().waitFor();
const heading = (name, on = page) => on.getByRole('heading', { level: 1, name, exact: true }).waitFor();
const visit = async (path, name) => { await page.goto(path); await heading(name); };

async function makeCluster(name) {
  const made = await leatd.rest('/cmk/v2/clusters', 'POST', { spec: {
    display_name: name, availability: 'SINGLE_ZONE', cloud: 'leat', region: 'local', config: { kind: 'Standard' }, environment: { id: environment } } });
  return running(made.id);
}
const cluster = id => leatd.rest(`/leat/v1/clusters/${id}`);
const running = (id, but) => waitFor(async () => { const c = await cluster(id); return c.state.name === 'running' && c.state.pid !== but && c; }, `${id} runs`);
const processes = async id => (await leatd.rest(`/leat/v1/clusters/${id}/processes`)).data;
const audited = async (operation, id) => (await leatd.rest(`/leat/v1/audit?operation=${operation}&cluster_id=${id}`)).data[0];
const produce = (id, topic, value) => leatd.rest(`/kafka/v3/clusters/${id}/topics/${topic}/records`, 'POST', { value: { type: 'STRING', data: value } });
const records = async (id, topic) => (await leatd.rest(`/leat/v1/clusters/${id}/topics/${topic}/records?from=oldest&limit=100`)).data.map(r => r.value.data);

const environment = (await leatd.rest('/org/v2/environments', 'POST', { display_name: 'shop' })).id;
const { id } = await makeCluster('orders');
const at = part => `/clusters/${id}/${part}`;
const kept = ['one', 'two', 'three'];
let copy;
let own;

// What REST says of the cluster, with some of it as a test wants it: for what this machine cannot bring about.
async function pretend(changes) {
  await page.route(`**/leat/v1/clusters/${id}`, async route => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...await answer.json(), ...changes(await answer.json()) } });
  });
  return () => page.unroute(`**/leat/v1/clusters/${id}`);
}

const tests = [
  ['the processes page shows the broker as the kernel and REST do', async () => {
    window_.expects(/401 \(Unauthorized\)/);
    window_.expects(/503 \(Service Unavailable\)/); // these tests end brokers under the pages that ask them
    await page.goto(at('processes'));
    await page.getByLabel('Login').fill(admin);
    await page.getByLabel('Password').fill(password);
    await button('Sign in').click();
    await heading('Processes');
    const [broker] = await processes(id);
    const line = page.getByRole('table', { name: 'Processes' }).getByRole('row').filter({ hasText: broker.id });
    await line.getByRole('cell', { name: String(broker.pid), exact: true }).waitFor();
    await line.getByText('Running').waitFor();
    await line.getByText(/^\d+(\.\d)? %$/).waitFor();
    assert.ok(existsSync(`/proc/${broker.pid}`));
    await says('It has not ended unasked.');
    await says('Nothing is to be confirmed.');
    await page.getByText(/^\d+ over 10 ms$/).waitFor();
    await page.getByText((await cluster(id)).program, { exact: true }).waitFor();
  }],

  ['a broker that is killed is there again, and the page says how it ended', async () => {
    const before = await cluster(id);
    process.kill(before.state.pid, 'SIGKILL');
    const after = await running(id, before.state.pid);
    await page.getByRole('table', { name: 'Processes' }).getByRole('cell', { name: String(after.state.pid), exact: true }).waitFor();
    assert.ok(after.state.last_end.reason);
    await says(after.state.last_end.reason);
  }],

  ['a restart is asked for, done and audited', async () => {
    const before = await cluster(id);
    await button('Restart').click();
    await dialog().getByText('nothing that was acknowledged is lost').waitFor();
    await dialog().getByRole('button', { name: 'Cancel' }).click();
    assert.equal((await cluster(id)).state.pid, before.state.pid);
    await button('Restart').click();
    await dialog().getByRole('button', { name: 'Restart' }).click();
    await toast('The broker restarts.');
    const after = await running(id, before.state.pid);
    await page.getByRole('table', { name: 'Processes' }).getByRole('cell', { name: String(after.state.pid), exact: true }).waitFor();
    assert.equal((await audited('cluster.restart', id)).door, 'session');
  }],

  ['an upgrade onto the installed program is offered, and changes nothing where that runs', async () => {
    const before = await cluster(id);
    await button('Upgrade').click();
    await dialog().getByRole('button', { name: 'Upgrade' }).click();
    await toast('It runs the installed program already.');
    assert.equal((await cluster(id)).state.pid, before.state.pid);
  }],

  ['a cluster is paused with a reason, and resumed', async () => {
    await button('Pause').click();
    await dialog().getByLabel('Reason').fill('the rack moves');
    await dialog().getByRole('button', { name: 'Pause' }).click();
    await says('the rack moves.');
    await waitFor(async () => (await cluster(id)).state.pid === null, 'its broker has ended');
    await page.getByText('No process, no fences').waitFor();
    await button('Resume').click();
    await running(id);
    await page.getByRole('table', { name: 'Fences' }).waitFor();
  }],

  ['each fence reads as REST tells it, and what is missing says why', async () => {
    const { isolation } = await cluster(id);
    const word = stands => (stands ? 'stands' : 'missing');
    const fences = page.getByRole('table', { name: 'Fences' });
    const wanted = [['A user of its own', isolation.own_user], ['No new privileges', isolation.no_new_privileges], ['No capabilities', isolation.no_capabilities],
      ['Landlock', isolation.landlock_abi > 0], ['seccomp', isolation.seccomp], ['No core dumps', isolation.rlimits], ['Control group', isolation.cgroup !== null]];
    for (const [name, stands] of wanted) await fences.getByRole('row').filter({ hasText: name }).getByText(word(stands), { exact: true }).waitFor();
    for (const sentence of isolation.missing) await says(sentence);
  }],

  ['limits of a control group, its use and what the kernel ended are shown', async () => {
    const restore = await pretend(c => ({ isolation: { ...c.isolation, cgroup: { version: 2, memory_bytes: 201326592, memory_limit_bytes: 268435456, out_of_memory: 2, threads: 3, threads_limit: 64, cpu_weight: 120 } } }));
    const memory = page.getByRole('meter', { name: 'Memory, with cached files' });
    await memory.waitFor();
    assert.equal(await memory.getAttribute('aria-valuenow'), '201326592');
    await page.getByText('192 MiB of 256 MiB 75 %').waitFor();
    assert.equal(await page.getByRole('meter', { name: 'Threads' }).getAttribute('aria-valuemax'), '64');
    await says('The kernel ended it 2 times for its memory.');
    await restore();
    await memory.waitFor({ state: 'detached' });
  }],

  ['an upgrade that waits is confirmed, after a sentence that there is no way back', async () => {
    const restore = await pretend(c => ({ format: { ...c.format, written: c.format.newest - 1, upgrade_to_confirm: true } }));
    await says('Its upgrade is not confirmed.');
    await button('Confirm the upgrade').click();
    await dialog().getByText('there is no way back').waitFor();
    await dialog().getByRole('button', { name: 'Confirm the upgrade' }).click();
    await toast('The upgrade is confirmed.');
    await restore();
    assert.equal((await cluster(id)).format.confirmed, (await cluster(id)).format.newest);
    await page.getByText('Its upgrade is not confirmed.').waitFor({ state: 'detached' });
  }],

  ['the security page shows the certificate that is served, renews it and takes one of your own', async () => {
    const tls = () => leatd.rest(`/leat/v1/clusters/${id}/certificate`);
    const before = await tls();
    await visit(at('security'), 'Security');
    await says(before.sha256_fingerprint);
    await button('Renew').click();
    await dialog().getByRole('button', { name: 'Renew' }).click();
    await toast('New connections get a new certificate');
    const renewed = await tls();
    assert.notEqual(renewed.sha256_fingerprint, before.sha256_fingerprint);
    await says(renewed.sha256_fingerprint);
    const [key, pem] = ['own.key', 'own.pem'].map(name => join(leatd.data, '..', name));
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', pem,
      '-days', '3', '-subj', '/CN=broker.example', '-addext', 'subjectAltName=DNS:broker.example'], { stdio: 'ignore' });
    own = readFileSync(pem, 'utf8');
    await button('Replace').click();
    await dialog().getByLabel('Certificate', { exact: true }).fill(own);
    await dialog().getByLabel('Private key').fill('no key');
    window_.expects(/400 \(Bad Request\)/);
    await dialog().getByRole('button', { name: 'Serve this certificate' }).click();
    await dialog().getByRole('alert').waitFor();
    await dialog().getByLabel('Private key').fill(readFileSync(key, 'utf8'));
    await dialog().getByRole('button', { name: 'Serve this certificate' }).click();
    await says('Its names do not hold the host that clients are told.');
    await says('It runs out in ');
    assert.deepEqual([(await tls()).source, (await tls()).subject], ['operator', 'CN=broker.example']);
    await button('Go back to the service\'s CA').click();
    await dialog().getByRole('button', { name: 'Go back' }).click();
    await page.getByText('Its names do not hold the host').waitFor({ state: 'detached' });
    assert.equal((await tls()).source, 'leat');
    assert.equal((await audited('cluster.certificate.renew', id)).door, 'session');
  }],

  ['client certificates and bearer tokens are set there', async () => {
    await button('Edit certificates of clients').click();
    await dialog().getByLabel('Client certificates').selectOption('requested');
    await dialog().getByLabel('Signed by').fill(own);
    await dialog().getByRole('button', { name: 'Save' }).click();
    await says('taken when shown');
    assert.equal((await leatd.rest(`/leat/v1/clusters/${id}/certificate`)).client_auth, 'requested');
    await says('Bearer tokens');
    await button('Edit logins').click();
    await dialog().getByLabel('Bearer tokens').selectOption('pasted');
    await dialog().getByLabel('Issuer').fill('https://login.example.com');
    await dialog().getByLabel('Audience').fill('kafka');
    const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
    await dialog().getByLabel('Key set').fill(JSON.stringify({ keys: [{ ...jwk, kid: 'one', alg: 'RS256', use: 'sig' }] }));
    await dialog().getByLabel('Log in again after').fill('1');
    await dialog().getByRole('button', { name: 'Save' }).click();
    await page.getByText('https://login.example.com', { exact: true }).waitFor();
    const told = await leatd.rest(`/leat/v1/clusters/${id}/authentication`);
    assert.deepEqual([told.issuer, told.audience, told.principal_claim, JSON.parse(told.jwks).keys[0].kid], ['https://login.example.com', 'kafka', 'sub', 'one']);
    assert.ok(told.connections_max_reauth_ms >= 1000);
    await button('Edit logins').click();
    await dialog().getByLabel('Bearer tokens').selectOption('none');
    await dialog().getByRole('button', { name: 'Save' }).click();
    await page.getByText('not taken').waitFor();
    assert.equal((await leatd.rest(`/leat/v1/clusters/${id}/authentication`)).jwks, '');
  }],

  ['the log has the lines of the broker, follows them, and is held and narrowed', async () => {
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Logs' }).click();
    await heading('Logs');
    const log = page.getByRole('log');
    const lines = await waitFor(async () => { // the broker may write on while this is compared
      const told = (await leatd.rest(`/leat/v1/clusters/${id}/logs?lines=300`)).lines;
      const shown = await log.locator('> div span:last-child').allInnerTexts();
      return shown.length === told.length && shown.every((text, i) => told[i].endsWith(text)) && told;
    }, 'every line that REST tells is shown');
    await says(`live, ${lines.length} lines`);
    const starts = lines.filter(l => l.includes('is in control')).length;
    await leatd.rest(`/leat/v1/clusters/${id}:restart`, 'POST');
    await waitFor(async () => await log.getByText('is in control').count() === starts + 1, 'the new start shows by itself');
    await button('Hold').click();
    await says('held, ');
    const held = await log.locator('> div').count();
    const before = (await running(id)).state.pid;
    await leatd.rest(`/leat/v1/clusters/${id}:restart`, 'POST');
    await running(id, before);
    assert.equal(await log.locator('> div').count(), held);
    await button('Go on').click();
    await waitFor(async () => await log.getByText('is in control').count() === starts + 2, 'it goes on');
    await page.getByLabel('Filter lines').fill('IN CONTROL');
    await waitFor(async () => await log.locator('> div').count() === starts + 2, 'only what fits');
    assert.match(page.url(), /find=IN/);
    await page.getByLabel('Level').selectOption('error');
    await says('No line fits');
  }],

  ['the whole log that is shown is taken along as a file', async () => {
    await page.goto(at('logs'));
    await page.getByRole('log').waitFor();
    await waitFor(async () => { // as above
      const [download] = await Promise.all([page.waitForEvent('download'), button('Download').click()]);
      assert.equal(download.suggestedFilename(), `${id}.log`);
      const { lines } = await leatd.rest(`/leat/v1/clusters/${id}/logs?lines=300`);
      return readFileSync(await download.path(), 'utf8').trimEnd() === lines.join('\n');
    }, 'the file has what REST tells');
  }],

  ['a cluster without a backup says so, and one is made of it while it serves', async () => {
    await leatd.rest(`/kafka/v3/clusters/${id}/topics`, 'POST', { topic_name: 'sales', partitions_count: 1 });
    for (const value of kept) await produce(id, 'sales', value);
    await visit(at('backups'), 'Backups');
    await says('This cluster has no backup');
    await button('Back up now').first().click();
    await dialog().getByLabel('Description').fill('before the sale');
    const { pid } = (await cluster(id)).state;
    await dialog().getByRole('button', { name: 'Back up now' }).click();
    await toast('orders is backed up: ');
    await row('before the sale').waitFor();
    [copy] = (await leatd.rest('/leat/v1/backups')).data;
    assert.deepEqual([copy.cluster_id, copy.description], [id, 'before the sale']);
    assert.equal((await cluster(id)).state.pid, pid);
    await produce(id, 'sales', 'four, after the backup');
  }],

  ['a backup becomes a cluster beside its own, with the records of then', async () => {
    await row(copy.id).getByRole('button', { name: 'Restore' }).click();
    assert.ok(await dialog().getByLabel(`The cluster it was, ${id}`).isDisabled());
    await dialog().getByText('Not while orders is there').waitFor();
    assert.equal(await dialog().getByLabel('Name').inputValue(), 'orders-restored');
    await dialog().getByRole('button', { name: 'Restore' }).click();
    await heading('orders-restored');
    const other = new URL(page.url()).pathname.split('/')[2];
    assert.notEqual(other, id);
    await running(other);
    assert.deepEqual(await records(other, 'sales'), kept);
    assert.deepEqual(await records(id, 'sales'), [...kept, 'four, after the backup']);
  }],

  ['damaged partitions are listed with what to do, as REST tells them', async () => {
    await leatd.rest(`/kafka/v3/clusters/${id}/topics`, 'POST', { topic_name: 'hit', partitions_count: 1 });
    for (let i = 0; i < 3; i++) await produce(id, 'hit', `hit-${i}-canary`);
    await leatd.rest(`/leat/v1/clusters/${id}:pause`, 'POST', { reason: 'a byte is flipped' });
    await waitFor(async () => (await cluster(id)).state.pid === null, 'its broker has ended');
    const folder = join(leatd.data, 'clusters', id);
    let flipped = 0;
    for (const name of readdirSync(folder, { recursive: true }).filter(n => n.endsWith('.log'))) {
      const content = readFileSync(join(folder, name));
      const found = content.indexOf('hit-1-canary');
      if (found < 0) continue;
      content[found] ^= 1;
      writeFileSync(join(folder, name), content);
      flipped++;
    }
    assert.equal(flipped, 1);
    await leatd.rest(`/leat/v1/clusters/${id}:resume`, 'POST');
    await running(id);
    await leatd.rest(`/leat/v1/clusters/${id}/topics/hit/records?from=oldest&limit=10`).catch(() => {});
    const { damage } = await waitFor(async () => { const c = await cluster(id); return c.damage.partitions && c; }, 'REST tells of the damage');
    await visit(at('processes'), 'Processes');
    const line = page.getByRole('table', { name: 'Damaged partitions' }).getByRole('row').filter({ hasText: 'hit' });
    await line.getByText(damage.first[0].reason).waitFor();
    await line.getByText(damage.first[0].offline ? 'offline' : 'served in part').waitFor();
    await says('Look at the disk first');
    await leatd.rest(`/kafka/v3/clusters/${id}/topics/hit`, 'DELETE');
    await page.getByRole('table', { name: 'Damaged partitions' }).waitFor({ state: 'detached' });
  }],

  ['a cluster that is gone comes back in its old place, once its id was typed', async () => {
    window_.expects(new RegExp(`404 \\(Not Found\\).*${id}`)); // a page of it may be open
    await leatd.rest(`/cmk/v2/clusters/${id}?environment=${environment}`, 'DELETE');
    await waitFor(async () => !(await leatd.rest('/leat/v1/clusters')).data.some(c => c.id === id), 'it is gone');
    await visit('/backups', 'Backups');
    await row(copy.id).getByText('gone').waitFor();
    await row(copy.id).getByRole('button', { name: 'Restore' }).click();
    const act = dialog().getByRole('button', { name: 'Restore' });
    assert.ok(await dialog().getByLabel(`The cluster it was, ${id}`).isChecked());
    assert.ok(await act.isDisabled());
    await dialog().getByLabel(`Type ${id} to bring it back`).fill(id);
    await act.click();
    await heading('orders');
    assert.equal(new URL(page.url()).pathname, `/clusters/${id}`);
    await running(id);
    assert.deepEqual(await records(id, 'sales'), kept);
    assert.equal((await audited('cluster.restore', id)).door, 'session');
  }],

  ['a backup is deleted by its id', async () => {
    await visit('/backups', 'Backups');
    await row(copy.id).getByRole('button', { name: 'Delete' }).click();
    await dialog().getByLabel(`Type ${copy.id} to delete it`).fill(copy.id);
    await dialog().getByRole('button', { name: 'Delete backup' }).click();
    await says('There is no backup yet');
    assert.deepEqual((await leatd.rest('/leat/v1/backups')).data, []);
  }],

  ['every cluster is started anew from the service page, which follows it to its end', async () => {
    await visit('/service', 'Service');
    await says('No rolling restart yet');
    const before = (await leatd.rest('/leat/v1/clusters')).data;
    await button('Start every cluster anew').click();
    await dialog().getByRole('button', { name: 'Start anew, one at a time' }).click();
    await says('All were started anew');
    const told = await leatd.rest('/leat/v1/clusters:rolling-restart');
    assert.deepEqual([told.phase, told.restarted, told.clusters], ['DONE', before.length, before.length]);
    for (const c of before) assert.notEqual((await running(c.id)).state.pid, c.state.pid);
    const info = await leatd.rest('/leat/v1/info');
    await page.getByText(info.organization_id).waitFor();
    await page.getByText((await leatd.rest('/leat/v1/certificate-authority')).sha256_fingerprint).waitFor();
  }],

  ['the service page tells of its own process and of every broker, and has its log', async () => {
    const [own] = (await leatd.rest('/leat/v1/processes')).data;
    await page.locator('.strip').getByText(String(own.pid), { exact: true }).waitFor();
    for (const c of (await leatd.rest('/leat/v1/clusters')).data) await page.getByRole('table', { name: 'Brokers' }).getByRole('row').filter({ hasText: String(c.state.pid) }).filter({ hasText: c.display_name }).waitFor();
    await page.getByRole('link', { name: 'Log', exact: true }).click();
    await heading('Log of the service');
    const { lines } = await leatd.rest('/leat/v1/logs?lines=300');
    await page.getByRole('log').getByText(lines.at(-1).replace(/^\S+ \S+ /, '')).first().waitFor();
    await page.goBack();
    await heading('Service');
  }],

  ['the database is copied from there, to where it says', async () => {
    await button('Copy it now').click();
    const path = page.getByText(/backups\/database-.*\.db/);
    await path.waitFor();
    assert.ok(existsSync(await path.innerText()));
  }],

  ['costs of a month are what REST tells, by prices that are set there', async () => {
    const now = new Date();
    const [start, end] = [0, 1].map(n => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + n, 1)).toISOString().slice(0, 10));
    const costs = async () => (await leatd.rest(`/billing/v1/costs?start_date=${start}&end_date=${end}`)).data.filter(l => l.resource.id === id);
    await visit('/costs', 'Costs');
    await says('No prices are set');
    const line = page.getByRole('table', { name: 'Costs' }).getByRole('row').filter({ hasText: id });
    await line.waitFor();
    await button('Set prices').click();
    await dialog().getByLabel('Time').fill('3600000');
    await dialog().getByRole('button', { name: 'Save' }).click();
    await toast('Costs are told by these prices');
    assert.equal((await leatd.rest('/leat/v1/prices')).data.find(p => p.line_type === 'KAFKA_BASE').price, 3600000);
    const shown = () => line.getByRole('cell').last().innerText().then(t => Number(t.replace(/,/g, '')));
    await waitFor(async () => await line.getByRole('cell').count() === 7 && await shown() > 0, 'the amount shows');
    await page.reload();
    await waitFor(async () => await line.getByRole('cell').count() === 7 && await shown() > 0, 'it is there again');
    const [before, seen, after] = [await costs(), await shown(), await costs()].map(v => (typeof v === 'number' ? v : v.reduce((s, l) => s + l.amount, 0)));
    assert.ok(seen > 0 && seen <= after + 0.01, `${before} ${seen} ${after}`);
    const [download] = await Promise.all([page.waitForEvent('download'), button('Download CSV').click()]);
    assert.match(readFileSync(await download.path(), 'utf8'), new RegExp(`^day,cluster,.*\n(.*\n)*\\d{4}-\\d\\d-\\d\\d,${id},"orders",KAFKA_BASE,`));
    const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 2, 1)).toISOString().slice(0, 7);
    await page.getByLabel('Month').selectOption(month);
    await says('Nothing was used in ');
    assert.match(page.url(), new RegExp(`month=${month}`));
  }],

  ['who may only look is offered nothing that would be refused, and told why', async () => {
    const invited = await leatd.rest('/iam/v2/invitations', 'POST', { email: 'looks@example.com' });
    await leatd.rest('/leat/v1/invitations:accept', 'POST', { token: invited.token, full_name: 'Looks', password: 'looks at figures only' });
    const organization = (await leatd.rest('/leat/v1/info')).organization_id;
    const [root] = (await leatd.rest(`/iam/v2/role-bindings?crn_pattern=${encodeURIComponent(`crn://leat.test/organization=${organization}`)}`)).data;
    await leatd.rest('/iam/v2/role-bindings', 'POST', { principal: `User:${invited.user.id}`, role_name: 'MetricsViewer',
      crn_pattern: `${root.crn_pattern}/environment=${environment}/cloud-cluster=${id}` });
    const context = await window_.browser.newContext({ baseURL: leatd.base });
    const other = await context.newPage();
    const asked = [];
    other.on('response', r => { if (r.status() === 403) asked.push(r.url()); });
    try {
      await other.goto(at('processes'));
      await other.getByLabel('Login').fill('looks@example.com');
      await other.getByLabel('Password').fill('looks at figures only');
      await other.getByRole('button', { name: 'Sign in' }).click();
      await other.getByText('Your roles let you look.').waitFor();
      await other.getByRole('table', { name: 'Processes' }).waitFor();
      for (const name of ['Restart', 'Pause', 'Upgrade']) assert.equal(await other.getByRole('button', { name, exact: true }).count(), 0);
      await other.goto(`/clusters/${id}`);
      await heading('orders', other);
      await other.getByText('Bootstrap').first().waitFor();
      for (const name of ['Settings', 'Create topic', 'Restart broker', 'Delete cluster']) assert.equal(await other.getByRole('button', { name }).count(), 0);
      await other.goto(at('security'));
      await other.getByText('Your roles let you look. OrganizationAdmin').waitFor();
      for (const name of ['Renew', 'Replace', 'Edit']) assert.equal(await other.getByRole('button', { name }).count(), 0);
      await other.goto(at('logs'));
      await other.getByText('Your roles do not show logs').waitFor();
      await other.goto(at('backups'));
      await other.getByText('Your roles do not show backups').waitFor();
      assert.equal(await other.getByRole('button', { name: 'Back up now' }).count(), 0);
      await other.goto('/service');
      await other.getByText('Your roles let you look at versions and the CA.').waitFor();
      for (const name of ['Start every cluster anew', 'Copy it now']) assert.equal(await other.getByRole('button', { name }).count(), 0);
      assert.deepEqual(asked.filter(u => /logs|backups|rolling|database/.test(u)), []);
    } finally { await context.close(); }
  }],
];

const words = process.argv.slice(2);
const chosen = words.length ? tests.filter(([title]) => words.some(w => title.includes(w))) : tests;
let code = 1;
try { code = await runTests(chosen, window_); } finally {
  await window_.browser.close();
  await leatd.stop();
}
process.exit(code);
