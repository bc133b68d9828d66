// Charts over time in a browser: their numbers are those of the history's route, of what was produced and read, and of
// a past that is written into history.db before the service starts. The service is down over the end of one minute.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { kcat, openBrowser, runTests, startLeatd, waitFor } from './harness.mjs';

const MINUTE = 60000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const METRICS = ['received_bytes', 'sent_bytes', 'received_records', 'sent_records', 'consumer_lag_offsets', 'consumer_time_lag_ms', 'retained_bytes',
  'request_count', 'request_error_count', 'active_connection_count'];
const ORDERS = 40, RETURNS = 5, READ = 12;

const leatd = await startLeatd('--no-demo');
const { admin_user: admin, admin_password: password } = leatd.quickstart;
const make = async (path, body) => leatd.rest(path, 'POST', body);
const environment = await make('/org/v2/environments', { display_name: 'charts' });
const { id } = await make('/cmk/v2/clusters', { spec: { display_name: 'mill', availability: 'SINGLE_ZONE', cloud: 'leat', region: 'local', config: { kind: 'Standard' }, environment: { id: environment.id } } });
const leat = path => leatd.rest(`/leat/v1/clusters/${id}${path}`);
const running = () => waitFor(async () => { const c = await leat('').catch(() => null); return c?.state.name === 'running' && c; }, 'the cluster runs');
const { bootstrap_servers: bootstrap } = await running();

// --- the past: of a topic that is gone, by the minute and before that by the hour ------------------------
const RECEIVED_BYTES = 1, RETAINED_BYTES = 5; // of series.def
const past = { minute: {}, hour: {} };
const born = Math.floor(Date.now() / MINUTE);
const firstHour = Math.floor(born / 60) - 26; // a day in steps of minutes
const quiet = n => n >= born - 90 && n < born - 60; // nobody looked
for (let m = firstHour * 60; m < born; m++) if (!quiet(m)) past.minute[m] = [[RECEIVED_BYTES, 'gone', 6000 + m % 7], [RETAINED_BYTES, 'gone', 1000000]];
for (let h = firstHour - 40 * 24; h < firstHour; h++) past.hour[h] = [[RECEIVED_BYTES, 'gone', 360000 + h % 5], [RETAINED_BYTES, 'gone', 2000000]];
const pastBytes = (from, to) => {
  let sum = 0;
  for (const [m, [[, , bytes]]] of Object.entries(past.minute)) if (m * MINUTE >= from && m * MINUTE < to) sum += bytes;
  for (const [h, [[, , bytes]]] of Object.entries(past.hour)) if (h * HOUR >= from && h * HOUR < to) sum += bytes;
  return sum;
};
await leatd.tell({ do: 'kill' });
await leatd.tell({ do: 'history', cluster: id, past });
await waitFor(() => Date.now() > (born + 1) * MINUTE + 4000, 'a minute ends while nobody looks', 90);
await leatd.tell({ do: 'start' });
await running();

// --- what is produced and read now -----------------------------------------------------------------------
const account = (await make('/iam/v2/service-accounts', { display_name: 'miller', description: '' })).id;
const made = await make('/iam/v2/api-keys', { spec: { display_name: 'miller', description: '', owner: { id: account }, resource: { id } } });
const key = { id: made.id, secret: made.spec.secret };
for (const [kind, name] of [['TOPIC', '*'], ['GROUP', '*']])
  await make(`/kafka/v3/clusters/${id}/acls`, { resource_type: kind, resource_name: name, pattern_type: 'LITERAL', principal: `User:${account}`, host: '*', operation: 'ALL', permission: 'ALLOW' });
for (const topic of ['orders', 'returns']) await make(`/kafka/v3/clusters/${id}/topics`, { topic_name: topic, partitions_count: 1 });
const produce = (topic, n) => kcat(bootstrap, key, ['-P', '-t', topic, '-X', 'acks=all'], Array.from({ length: n }, (_, i) => `record ${i}\n`).join(''));
await waitFor(() => { try { produce('orders', ORDERS); return true; } catch { return false; } }, 'the key is known to the broker');
produce('returns', RETURNS);
const produced = Date.now();
kcat(bootstrap, key, ['-G', 'readers', '-c', String(READ), '-X', 'auto.offset.reset=earliest', 'orders']);

const window_ = await openBrowser(leatd.base);
const { page } = window_;
const sum = values => values.reduce((a, v) => a + (v ?? 0), 0);
const history = (span, ...more) => leat(`/history?span=${span}&${more.join('&')}`);
const values = (h, metric) => h.series.find(s => s.metric === metric).values;
const number = text => (text === 'not known' ? null : Number(text.replace(/,/g, '')));
const chart = name => page.getByRole('figure', { name: new RegExp(`^${name}, `) });
const pill = name => page.getByRole('button', { name, exact: true });

// The table of numbers as the route would have answered it: where each step begins, and a column a metric.
async function numbers() {
  const table = page.getByRole('table', { name: 'Numbers' });
  await table.waitFor();
  const { heads, rows } = await table.evaluate(t => ({
    heads: [...t.tHead.rows[0].cells].slice(1).map(c => c.innerText.replace(/ /g, '_')),
    rows: [...t.tBodies[0].rows].map(r => [r.querySelector('time').dateTime, ...[...r.cells].slice(1).map(c => c.innerText.trim())]).reverse(),
  }));
  return { from: rows.map(r => Date.parse(r[0])), values: Object.fromEntries(heads.map((h, i) => [h, rows.map(r => number(r[i + 1]))])) };
}
// The same of page and route: a minute may end between the two, and the page asks again within a minute.
async function agrees(span, metrics, ...more) {
  let why = '';
  return waitFor(async () => {
    const h = await history(span, ...metrics.map(m => `metric=${m}`), ...more);
    const shown = await numbers();
    try {
      assert.deepEqual(shown.from, h.observed_ms.map((_, i) => h.from + i * h.step_ms));
      for (const m of metrics) assert.deepEqual(shown.values[m], values(h, m), m);
    } catch (e) { why = e.message; return null; }
    return { h, shown };
  }, `the page shows what the route answers for ${span}`, 90).catch(e => { throw new Error(`${e.message}: ${why}`); });
}

const tests = [
  ['the minute in which records were produced has their numbers', async () => {
    window_.expects(/401 \(Unauthorized\)/);
    await waitFor(async () => { // what was produced and what was read may lie in two minutes
      const h = await history('15m', 'metric=received_records', 'metric=consumer_lag_offsets');
      return sum(values(h, 'received_records')) === ORDERS + RETURNS && values(h, 'consumer_lag_offsets').at(-1) === ORDERS - READ;
    }, 'the minute is over and kept', 150);
    await page.goto(`/clusters/${id}/metrics?span=15m&view=numbers`);
    await page.getByLabel('Login').fill(admin);
    await page.getByLabel('Password').fill(password);
    await pill('Sign in').click();
    const { shown } = await agrees('15m', METRICS);
    assert.equal(sum(shown.values.received_records), ORDERS + RETURNS);
    assert.ok(sum(shown.values.sent_records) >= READ && sum(shown.values.sent_records) <= 2 * ORDERS);
    assert.equal(shown.values.consumer_lag_offsets.at(-1), ORDERS - READ);
    assert.equal(sum(shown.values.received_bytes.slice(0, shown.from.indexOf(born * MINUTE))), pastBytes(shown.from[0], born * MINUTE));
  }],

  ['a minute in which nobody looked is a gap, and no zero', async () => {
    const { h, shown } = await agrees('15m', METRICS);
    const gap = shown.from.indexOf(born * MINUTE);
    for (const m of METRICS) assert.equal(shown.values[m][gap], null, m);
    assert.equal(h.observed_ms[gap], 0);
    assert.equal(shown.values.received_records[gap - 1], 0);
    assert.equal(shown.values.received_records.filter(v => v === null).length, 1);
  }],

  ['a chart is read by keys, at the same time in every chart of the page, as a rate', async () => {
    await pill('Charts').click();
    await chart('Records').focus();
    const h = await history('15m', 'metric=received_records');
    const counted = values(h, 'received_records');
    const clock = ms => new Date(ms).toTimeString().slice(0, 5);
    // What the chart reads at a step, once every chart of the page is there: they may move on by a minute on the way.
    const readAt = step => waitFor(async () => {
      const wanted = `${clock(h.from + step * h.step_ms)} to ${clock(h.from + (step + 1) * h.step_ms)}`;
      await page.keyboard.press('Home');
      for (let i = 0; i < 16; i++) {
        const texts = await page.locator('.reading').evaluateAll(all => all.map(r => r.innerText.replace(/\s+/g, ' ')));
        if (texts.every(t => t.includes(wanted))) return texts.find(t => /^in [^B]*\/s out|^in not known out/.test(t));
        await page.keyboard.press('ArrowRight');
      }
      return null;
    }, 'a step is reached by keys');
    assert.match(await readAt(h.observed_ms.indexOf(0)), /^in not known out not known/);
    const at = counted.findIndex(v => v > 0);
    const [, shown] = /^in ([\d.]+)\/s/.exec(await readAt(at));
    assert.ok(Math.abs(Number(shown) - counted[at] / 60) < 0.01, shown);
    await page.keyboard.press('Escape');
  }],

  ['a span is chosen, stays in the URL and over a reload, and sums what was written', async () => {
    await page.goto(`/clusters/${id}/metrics?view=numbers`);
    for (const [name, span, long] of [['The last 6 hours', '6h', 6 * HOUR], ['The last 24 hours', '24h', DAY], ['The last 7 days', '7d', 7 * DAY], ['The last 30 days', '30d', 30 * DAY], ['The last 90 days', '90d', 90 * DAY]]) {
      await pill(name).click();
      await page.waitForURL(url => url.searchParams.get('span') === span);
      const { h, shown } = await agrees(span, METRICS);
      assert.ok(h.to - h.from >= long && h.to - h.from < long + h.step_ms, span);
      const old = h.series.find(s => s.metric === 'received_bytes').values.map((v, i) => (h.from + (i + 1) * h.step_ms <= born * MINUTE ? v : 0));
      const end = h.from + old.findLastIndex(v => v) * h.step_ms + h.step_ms;
      assert.equal(sum(old), pastBytes(h.from, end), span);
      assert.equal(sum(shown.values.received_records), ORDERS + RETURNS, span);
    }
    await pill('The last 30 days').click();
    await page.reload();
    await page.getByRole('table', { name: 'Numbers' }).waitFor();
    assert.equal(await pill('The last 30 days').getAttribute('aria-pressed'), 'true');
    const { h } = await agrees('30d', ['received_bytes', 'retained_bytes']);
    assert.equal(h.step_ms, 2 * HOUR);
  }],

  ['half an hour in which nobody looked is a gap in six hours too', async () => {
    await pill('The last 6 hours').click();
    const { shown } = await agrees('6h', ['received_bytes']);
    shown.from.forEach((from, i) => { if (quiet(from / MINUTE)) assert.equal(shown.values.received_bytes[i], null); });
    assert.ok(shown.from.some((from, i) => !quiet(from / MINUTE) && shown.values.received_bytes[i] > 0));
  }],

  ['hours in which nobody looked for a while say so, and their rate is that of the rest', async () => {
    await pill('The last 7 days').click();
    const { h, shown } = await agrees('7d', ['received_bytes']);
    const said = await page.getByRole('table', { name: 'Numbers' }).evaluate(t => Object.fromEntries([...t.tBodies[0].rows].map(r => [Date.parse(r.querySelector('time').dateTime), r.innerText])));
    const cut = [];
    for (let i = 0; h.from + (i + 1) * HOUR <= Math.floor(born / 60) * HOUR; i++) { // hours that were over when leatd was killed
      const minutes = Array.from({ length: 60 }, (_, n) => (h.from + i * HOUR) / MINUTE + n).filter(n => !quiet(n)).length;
      assert.equal(h.observed_ms[i], minutes * MINUTE, `hour ${i}`);
      assert.equal(/, (\d+) m of it known/.exec(said[h.from + i * HOUR])?.[1], minutes < 60 ? `${minutes}` : undefined, said[h.from + i * HOUR]);
      if (minutes < 60) cut.push(i);
    }
    assert.ok(cut.length, 'an hour is cut');
    assert.equal(shown.values.received_bytes[cut[0]], pastBytes(h.from + cut[0] * HOUR, h.from + (cut[0] + 1) * HOUR));
    await pill('Charts').click();
    const reading = chart('In and out').locator('.reading');
    const read = await waitFor(async () => {
      await chart('In and out').focus();
      await page.keyboard.press('Home');
      for (let i = 0; i < h.observed_ms.length; i++) {
        const text = (await reading.innerText()).replace(/\s+/g, ' ');
        if (/of it known/.test(text)) return text;
        await page.keyboard.press('ArrowRight');
      }
      return null;
    }, 'the chart reads the hour that is cut');
    assert.match(read, /^in 100(\.\d+)? B\/s /);
    assert.match(read, new RegExp(`, ${h.observed_ms[cut[0]] / MINUTE} m of it known$`));
    await page.keyboard.press('Escape');
    await pill('The last 6 hours').click();
    await pill('Numbers').click();
  }],

  ['the numbers are saved as CSV', async () => {
    const coming = page.waitForEvent('download');
    await pill('CSV').click();
    const file = await coming;
    assert.equal(file.suggestedFilename(), 'mill-6h.csv');
    const [head, ...rows] = readFileSync(await file.path(), 'utf8').trim().split('\n').map(l => l.split(','));
    const { shown } = await agrees('6h', ['received_bytes']);
    const column = head.indexOf('received_bytes');
    const mine = rows.find(r => Date.parse(r[0]) === shown.from[200]);
    assert.equal(Number(mine[column]), shown.values.received_bytes[200]);
    assert.ok(rows.some(r => r[column] === ''), 'a gap is an empty cell');
  }],

  ['a group shows its lag and how old what it has not read is', async () => {
    await page.goto(`/clusters/${id}/groups/readers?span=15m&view=numbers`);
    const { h, shown } = await agrees('15m', ['consumer_time_lag_ms', 'consumer_lag_offsets'], 'consumer_group_id=readers');
    const lag = shown.values.consumer_lag_offsets, age = shown.values.consumer_time_lag_ms;
    assert.equal(lag.at(-1), ORDERS - READ);
    const took = shown.from.at(-1) + h.step_ms;
    assert.ok(Math.abs(age.at(-1) - (took - produced)) < 20000, `${age.at(-1)} ms at ${took}, produced at ${produced}`);
    await pill('Charts').click();
    await chart('Lag').waitFor();
    await page.getByRole('figure', { name: new RegExp(`^Lag, .*behind at most ${ORDERS - READ}[;.]`) }).waitFor();
    await page.getByRole('figure', { name: /^Time lag, .*behind at most (\d+ m )?\d+ s/ }).waitFor();
  }],

  ['a group shows above what an alert of it fires', async () => {
    for (const [resource, threshold] of [['read*', 90], ['readers', 95], ['others', 5]])
      await make('/leat/v1/alert-rules', { name: `late ${resource}`, watches: 'time_lag', cluster_id: id, resource, threshold, severity: 'warning' });
    const lags = (await leatd.rest('/leat/v1/alert-rules')).data.filter(r => r.watches === 'lag' && r.enabled).map(r => r.threshold);
    await page.reload();
    await page.getByRole('figure', { name: /An alert fires above 1 m 30 s\./ }).waitFor();
    const label = await chart('Lag').getAttribute('aria-label');
    assert.equal(/An alert fires above ([\d,]+)\./.exec(label)?.[1], lags.length ? Math.min(...lags).toLocaleString('en-US') : undefined);
  }],

  ['a topic shows what came in and who is behind in it', async () => {
    await page.goto(`/clusters/${id}/topics/returns?tab=metrics&span=15m&view=numbers`);
    const { shown } = await agrees('15m', ['received_bytes', 'received_records', 'retained_bytes'], 'topic=returns');
    assert.equal(sum(shown.values.received_records), RETURNS);
    await page.goto(`/clusters/${id}/topics/orders?tab=metrics&span=15m`);
    const behind = page.getByRole('table', { name: 'Groups by lag' });
    await behind.getByRole('link', { name: 'readers' }).waitFor();
    assert.equal(number(await behind.getByRole('row').filter({ hasText: 'readers' }).getByRole('cell').last().innerText()), ORDERS - READ);
  }],

  ['the largest topics stand below the whole, in the order of the route', async () => {
    await page.goto(`/clusters/${id}/metrics?span=15m`);
    const table = page.getByRole('table', { name: 'Topics by what came in' });
    await page.getByRole('heading', { name: 'Topics by what came in' }).scrollIntoViewIfNeeded();
    await table.getByRole('link', { name: 'orders' }).waitFor();
    await waitFor(async () => {
      const by = await history('15m', 'metric=received_bytes', 'by=topic', 'limit=6');
      const shown = (await table.locator('tbody tr').allInnerTexts()).map(t => t.trim().split(/\s/)[0]);
      return `${shown}` === `${by.series.map(s => s.topic)}`;
    }, 'the order is that of the route');
    await table.getByRole('link', { name: 'returns' }).focus();
    await page.getByRole('figure', { name: /^Topics by what came in/ }).getByText('returns').waitFor();
  }],

  ['the overview shows the last hour, and the present second by second', async () => {
    await page.goto(`/clusters/${id}`);
    await chart('In and out').waitFor();
    await waitFor(async () => {
      const most = Math.max(...values(await history('1h', 'metric=received_bytes'), 'received_bytes').map(v => v ?? 0)) / 60;
      const [, shown] = /in at most ([\d.]+) B\/s/.exec(await chart('In and out').getAttribute('aria-label')) || [];
      return Math.abs(Number(shown) - most) <= 1;
    }, 'the chart reads the highest rate that is kept', 90);
    await pill('Live').click();
    await page.getByText('since this page was opened').waitFor();
    assert.equal(new URL(page.url()).searchParams.get('span'), 'live');
  }],

  ['who may not see figures is told so, and sees the present of what they may see', async () => {
    const invited = await make('/iam/v2/invitations', { email: 'finds@example.com' });
    await make('/leat/v1/invitations:accept', { token: invited.token, full_name: 'Finds', password: 'finds topics and groups' });
    const organization = (await leatd.rest('/leat/v1/info')).organization_id;
    const [root] = (await leatd.rest(`/iam/v2/role-bindings?crn_pattern=${encodeURIComponent(`crn://leat.test/organization=${organization}`)}`)).data;
    await make('/iam/v2/role-bindings', { principal: `User:${invited.user.id}`, role_name: 'DataDiscovery', crn_pattern: `${root.crn_pattern}/environment=${environment.id}/cloud-cluster=${id}` });
    const context = await window_.browser.newContext({ baseURL: leatd.base });
    const other = await context.newPage();
    const refused = [];
    other.on('response', r => { if (r.status() === 403) refused.push(r.url()); });
    try {
      await other.goto(`/clusters/${id}/topics/orders`);
      await other.getByLabel('Login').fill('finds@example.com');
      await other.getByLabel('Password').fill('finds topics and groups');
      await other.getByRole('button', { name: 'Sign in', exact: true }).click();
      await other.getByText('since this page was opened').waitFor();
      assert.equal(await other.getByRole('group', { name: 'Span' }).count(), 0);
      await other.goto(`/clusters/${id}/metrics`);
      await other.getByText('Your roles do not show figures over time').waitFor();
      await other.goto(`/clusters/${id}/groups/readers`);
      await other.getByText('Your roles do not show figures over time').waitFor();
      await other.getByRole('table', { name: 'Lag by partition' }).waitFor();
      assert.deepEqual(refused.filter(u => /history|alert-rules/.test(u)), []);
    } finally { await context.close(); }
  }],

  ['a name of 249 characters leaves room for the figures beside it, on a phone too', async () => {
    const long = 'a.b-'.repeat(62) + 'z';
    await make(`/kafka/v3/clusters/${id}/topics`, { topic_name: long, partitions_count: 1 });
    for (const [width, path] of [[1280, '/topics'], [390, '/topics'], [1280, `/topics/${long}`], [390, `/topics/${long}`]]) {
      await page.setViewportSize({ width, height: 800 });
      await page.goto(`/clusters/${id}${path}`);
      await page.getByText(long).first().waitFor();
      await page.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth);
      if (path !== '/topics') continue;
      const { x, width: wide } = await page.getByRole('columnheader', { name: 'Partitions' }).boundingBox();
      assert.ok(x + wide <= width, `Partitions ends at ${x + wide} of ${width}`);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
  }],
];

const chosenWords = process.argv.slice(2);
const chosen = chosenWords.length ? tests.filter(([title]) => chosenWords.some(w => title.includes(w))) : tests;
let code = 1;
try { code = await runTests(chosen, window_); } finally {
  await window_.browser.close();
  await leatd.stop();
}
process.exit(code);
