// What the tests of the console stand on: a real leatd, a browser that remembers every complaint, kcat, REST.
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { chromium } = await import(process.env.PLAYWRIGHT || 'playwright-core');
const here = dirname(fileURLToPath(import.meta.url));

const flags = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--no-first-run'];

export async function startLeatd(...options) {
  const child = spawn('python3', [join(here, 'serve.py'), ...options], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise(done => child.once('exit', done));
  const lines = [];
  const waiting = [];
  createInterface({ input: child.stdout }).on('line', text => { const got = waiting.shift(); if (got) got(text); else lines.push(text); });
  const said = () => new Promise((got, lost) => {
    if (lines.length) { got(lines.shift()); return; }
    waiting.push(got);
    ended.then(code => lost(new Error(`leatd ended (${code})`)));
  });
  const line = await said();
  const at = JSON.parse(line);
  const key = Buffer.from(`${at.quickstart.cloud_api_key}:${at.quickstart.cloud_api_secret}`).toString('base64');
  return {
    ...at,
    // REST as a program would use it: Basic by the cloud key.
    async rest(path, method = 'GET', body = undefined) {
      const answer = await fetch(at.base + path, {
        method, headers: { Authorization: `Basic ${key}`, 'Content-Type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return text ? JSON.parse(text) : null;
    },
    // leatd is killed (its brokers live on), started again, or given a past: see serve.py.
    async tell(order) { child.stdin.write(`${JSON.stringify(order)}\n`); await said(); },
    async stop() { child.stdin.end(); await ended; },
  };
}

// A window whose console errors, broken promises and refused resources (the content policy speaks through the
// console too) are kept in `complaints`. A failing answer that a test provokes is told to `expects`.
export async function openBrowser(base) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: flags });
  const context = await browser.newContext({ baseURL: base, viewport: { width: 1440, height: 900 }, colorScheme: 'light' });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: base });
  const page = await context.newPage();
  page.setDefaultTimeout(30000);
  // SLOW=ms: each answer comes up to so much later and the browser computes slowly, as on a busy machine: it
  // shows what does not wait.
  const slow = Number(process.env.SLOW || 0);
  if (slow) {
    const cdp = await context.newCDPSession(page);
    await cdp.send('Emulation.setCPUThrottlingRate', { rate: 8 });
    await page.route('**/*', async route => {
      await new Promise(go => setTimeout(go, Math.random() * slow));
      await route.continue().catch(() => {});
    });
  }
  const complaints = [];
  const expected = [];
  page.on('console', m => {
    if (m.type() !== 'error' && m.type() !== 'warning') return;
    const text = `${m.text()} (${m.location().url})`;
    if (!expected.some(e => e.test(text))) complaints.push(text);
  });
  page.on('pageerror', e => complaints.push(`${e}`));
  await page.addInitScript(() => addEventListener('securitypolicyviolation', e =>
    console.error(`content policy: ${e.violatedDirective} refused ${e.blockedURI || e.sourceFile}`)));
  return { browser, context, page, complaints, expects: pattern => expected.push(pattern) };
}

// kcat with a cluster key; gives what it printed, throws what it complained of.
export function kcat(bootstrap, key, args, input = '') {
  const all = ['-b', bootstrap, '-X', 'security.protocol=SASL_PLAINTEXT', '-X', 'sasl.mechanism=PLAIN',
    '-X', `sasl.username=${key.id}`, '-X', `sasl.password=${key.secret}`, ...args];
  const p = spawnSync('kcat', all, { input, encoding: 'utf8', timeout: 30000, maxBuffer: 64 << 20 });
  if (p.status !== 0) throw new Error(`kcat ${args.join(' ')}: ${p.stderr || p.error}`);
  return p.stdout;
}

export async function waitFor(condition, what, seconds = 40) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain: ${what}`);
    await new Promise(again => setTimeout(again, 50));
  }
}

// Runs [title, function] in order; words of the command line choose. A test that leans on an earlier one is
// given what that one left, so the order is part of the story.
export async function runTests(tests, { page, complaints }) {
  let passed = 0;
  let failed = 0;
  for (const [title, test] of tests) {
    try {
      await test();
      if (complaints.length) throw new Error(`the browser complained:\n  ${complaints.splice(0).join('\n  ')}`);
      passed++;
      console.log(`ok: ${title}`);
    } catch (e) {
      failed++;
      complaints.length = 0;
      const seen = await page.evaluate(() => document.querySelector('main')?.innerText || document.body.innerText).catch(gone => `${gone}`);
      console.log(`not ok: ${title}\n  ${e.stack || e}\n  at ${page.url()}: ${seen.replace(/\s+/g, ' ').slice(0, 400)}`);
      if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, `failed-${failed}.png`) }).catch(() => {});
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed ? 1 : 0;
}
