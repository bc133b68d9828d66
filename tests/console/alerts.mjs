// Alerts in a browser: a channel and its test button, a rule that fires at a real receiver, a silence, the history.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { openBrowser, runTests, startLeatd, waitFor } from './harness.mjs';

const posts = [];
let answer = 200;
const receiver = createServer((rq, rs) => {
  let body = '';
  rq.on('data', d => { body += d; });
  rq.on('end', () => { posts.push({ headers: rq.headers, body }); rs.writeHead(answer).end(); });
});
await new Promise(ready => receiver.listen(0, '127.0.0.1', ready));
const hook = `http://127.0.0.1:${receiver.address().port}/hook`;

const leatd = await startLeatd('--no-demo', '--alert-near');
const window_ = await openBrowser(leatd.base);
const { page } = window_;
const { admin_user: admin, admin_password: password } = leatd.quickstart;
const button = name => page.getByRole('button', { name, exact: true });
const dialog = () => page.getByRole('dialog');
const row = text => page.getByRole('row').filter({ hasText: text });
const toast = text => page.getByRole('status').filter({ hasText: text }).first().waitFor();
const alerts = async state => (await leatd.rest(`/leat/v1/alerts?state=${state}`)).data;
const open = async tab => {
  await page.goto(tab ? `/alerts?tab=${tab}` : '/alerts');
  await page.getByRole('heading', { level: 1, name: 'Alerts' }).waitFor();
};
let secret;
let rule;

const tests = [
  ['a new service watches already, and says that nobody is told', async () => {
    window_.expects(/401 \(Unauthorized\)/);
    await page.goto('/alerts?tab=rules');
    await page.getByLabel('Login').fill(admin);
    await page.getByLabel('Password').fill(password);
    await button('Sign in').click();
    await page.getByText('Nobody is told.').waitFor();
    const rules = (await leatd.rest('/leat/v1/alert-rules')).data;
    for (const r of rules) await row(r.name).first().waitFor();
    assert.equal(await page.getByRole('table', { name: 'Rules' }).locator('tbody tr').count(), rules.length);
    await row('Storage above 85 %').getByText('Storage used above 85 % for 5 m').waitFor();
    // The receiver is to hear of this test's own rule alone.
    for (const r of rules) await leatd.rest(`/leat/v1/alert-rules/${r.id}`, 'PATCH', { enabled: false });
  }],

  ['a channel is made, its secret is shown once, and its test button sends a message that the secret verifies', async () => {
    await open('channels');
    await button('New channel').click();
    await dialog().getByLabel('Name', { exact: true }).fill('on call');
    await dialog().getByLabel('URL').fill(hook);
    await dialog().getByRole('button', { name: 'Create channel' }).click();
    await page.getByRole('dialog', { name: 'Secret of on call' }).waitFor();
    secret = await dialog().locator('.mono').innerText();
    await button('I have stored it').click();
    await row('on call').getByRole('button', { name: 'Test' }).click();
    await toast('The test message arrived at on call.');
    const [{ headers, body }] = posts;
    const wanted = createHmac('sha256', secret).update(`${headers['leat-timestamp']}.${body}`).digest('hex');
    assert.equal(headers['leat-signature'], `v1=${wanted}`);
    assert.equal(JSON.parse(body).status, 'test');
    await row('a test').getByText('arrived').waitFor();
    assert.ok(!(await page.content()).includes(secret));
  }],

  ['what a receiver refuses is said at the channel', async () => {
    answer = 404;
    await row('on call').getByRole('button', { name: 'Test' }).click();
    await toast('It did not arrive: It answers with status 404.');
    await row(hook).getByText('failed', { exact: true }).waitFor();
    answer = 200;
  }],

  ['a rule is made, fires, is told, and shows what REST says of it', async () => {
    await open('rules');
    await button('New rule').click();
    await dialog().getByLabel('Watches').selectOption('disk');
    await dialog().getByLabel('Name', { exact: true }).fill('Disk in use');
    await dialog().getByLabel('Above (%)').fill('0');
    await dialog().getByLabel('Severity').selectOption('critical');
    await dialog().getByLabel('Fires after').fill('');
    await dialog().getByLabel('Resolved after').fill('');
    await dialog().getByLabel('At most one message in').fill('');
    await dialog().getByLabel('on call').check();
    await dialog().getByRole('button', { name: 'Create rule' }).click();
    await row('Disk in use').getByText('Disk of the service above 0 %').waitFor();
    rule = (await leatd.rest('/leat/v1/alert-rules')).data.find(r => r.name === 'Disk in use');
    assert.deepEqual([rule.watches, rule.threshold, rule.for_ms, rule.group_ms, rule.severity, rule.channels.length], ['disk', 0, 0, 0, 'critical', 1]);
    const told = await waitFor(() => posts.map(p => JSON.parse(p.body)).find(b => b.rule?.id === rule.id), 'the receiver is told');
    assert.equal(told.status, 'firing');
    await open('');
    const [alert] = await alerts('firing');
    const line = page.getByRole('table', { name: 'Open alerts' }).getByRole('row').filter({ hasText: 'Disk in use' });
    await line.getByText('critical').waitFor();
    await line.getByText(alert.text.split(' ')[0]).first().waitFor();
    await page.getByText('1 alert fires: Disk in use.').waitFor();
    await page.getByRole('navigation', { name: 'Main' }).getByText('1 firing').waitFor();
  }],

  ['an alert is silenced where it stands, and the silence is ended', async () => {
    await row('Disk in use').getByRole('button', { name: 'Silence' }).click();
    assert.equal(await dialog().getByLabel('Rule').inputValue(), rule.id);
    await dialog().getByLabel('Why').fill('the disk is being moved');
    await dialog().getByRole('button', { name: 'Silence' }).click();
    await row('Disk in use').getByText('silenced').waitFor();
    const [silence] = (await leatd.rest('/leat/v1/alert-silences')).data;
    assert.deepEqual([silence.rule_id, silence.state, silence.comment], [rule.id, 'active', 'the disk is being moved']);
    await open('silences');
    await row('the disk is being moved').getByRole('button', { name: 'End it' }).click();
    await page.getByText('Nothing is silenced').waitFor();
    assert.equal((await leatd.rest('/leat/v1/alert-silences')).data.length, 0);
  }],

  ['a rule that is switched off resolves its alert, which the history keeps', async () => {
    await open('rules');
    await row('Disk in use').getByText('fires', { exact: true }).waitFor();
    await row('Disk in use').getByRole('button', { name: 'Switch off' }).click();
    await row('Disk in use').getByText('off', { exact: true }).waitFor();
    await waitFor(() => posts.map(p => JSON.parse(p.body)).find(b => b.status === 'resolved'), 'the receiver is told of the end');
    await open('');
    await page.getByRole('table', { name: 'Resolved alerts' }).getByText('The rule was switched off.').waitFor();
    await page.getByText('Nothing fires', { exact: true }).waitFor();
    const [resolved] = await alerts('resolved');
    assert.equal(resolved.rule_id, rule.id);
  }],

  ['a rule is deleted by its name', async () => {
    await open('rules');
    await row('Disk in use').getByRole('button', { name: 'Delete' }).click();
    await dialog().getByLabel('Type Disk in use to delete it').fill('Disk in use');
    await dialog().getByRole('button', { name: 'Delete rule' }).click();
    await row('Disk in use').waitFor({ state: 'detached' });
    assert.ok(!(await leatd.rest('/leat/v1/alert-rules')).data.some(r => r.id === rule.id));
  }],
];

const words = process.argv.slice(2);
const chosen = words.length ? tests.filter(([title]) => words.some(w => title.includes(w))) : tests;
let code = 1;
try { code = await runTests(chosen, window_); } finally {
  await window_.browser.close();
  await leatd.stop();
  receiver.close();
}
process.exit(code);
