// Signing in by an identity provider, in a browser, with a provider that others wrote.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBrowser, runTests, startLeatd } from './harness.mjs';
import { secret, startProvider } from './provider.mjs';

const folder = mkdtempSync(join(tmpdir(), 'leat-oidc-'));
const provider = await startProvider();
writeFileSync(join(folder, 'oidc.json'), JSON.stringify({ issuer: provider.issuer, client_id: 'leat', client_secret: secret, name: 'the test provider', insecure: true }));
const leatd = await startLeatd('--no-demo', '--oidc', join(folder, 'oidc.json'));
await provider.open(`${leatd.base}/leat/v1/oidc:callback`);
const window_ = await openBrowser(leatd.base);
const { page } = window_;
const browser = page.context().browser();

// A new browser that is somebody at the provider, back at the console.
async function signIn(who) {
  const context = await browser.newContext({ baseURL: leatd.base });
  const p = await context.newPage();
  await p.goto('/');
  await p.getByRole('link', { name: 'Sign in with the test provider' }).click();
  await p.locator('input[name=login]').fill(who);
  await p.locator('input[name=password]').fill('anything');
  await p.locator('button[type=submit]').click();
  const consent = p.locator('button[type=submit]');
  await Promise.race([consent.click(), p.waitForURL(`${leatd.base}/**`)]);
  await p.waitForURL(`${leatd.base}/**`);
  return { context, p };
}
const session = p => p.evaluate(async () => (await fetch('/leat/v1/session')).json());
const status = (p, path) => p.evaluate(async at => (await fetch(at)).status, path);

const tests = [
  ['somebody known to the provider signs in, and has no role at first', async () => {
    const { context, p } = await signIn('guest');
    await p.getByRole('heading', { level: 1, name: 'Clusters' }).waitFor();
    const { user } = await session(p);
    assert.equal(user.login, 'guest@example.com');
    assert.equal(user.full_name, 'The guest');
    assert.equal(await status(p, '/iam/v2/users'), 403);
    const known = (await leatd.rest('/iam/v2/users')).data.find(u => u.id === user.id);
    assert.equal(known.auth_type, 'AUTH_TYPE_SSO');
    await context.close();
    const again = await signIn('guest');
    await again.p.getByRole('heading', { level: 1, name: 'Clusters' }).waitFor();
    assert.equal((await session(again.p)).user.id, user.id);
    await again.context.close();
  }],

  ['a role bound to a group of the provider holds for those in it, and for nobody else', async () => {
    const organization = (await leatd.rest('/org/v2/organizations')).data[0].id;
    await leatd.rest('/iam/v2/role-bindings', 'POST', { principal: 'Group:kafka-admins', role_name: 'OrganizationAdmin', crn_pattern: `crn://leat.test/organization=${organization}` });
    const admin = await signIn('admin1');
    await admin.p.getByRole('heading', { level: 1, name: 'Clusters' }).waitFor();
    assert.equal(await status(admin.p, '/iam/v2/users'), 200);
    await admin.context.close();
    const guest = await signIn('guest');
    await guest.p.getByRole('heading', { level: 1, name: 'Clusters' }).waitFor();
    assert.equal(await status(guest.p, '/iam/v2/users'), 403);
    await guest.context.close();
  }],

  ['a role bound to a group mapping holds for those whom its filter means', async () => {
    const organization = (await leatd.rest('/org/v2/organizations')).data[0].id;
    const mapping = await leatd.rest('/iam/v2/sso/group-mappings', 'POST', { display_name: 'watchers', description: '', filter: '"staff" in groups && !("kafka-admins" in groups)' });
    await leatd.rest('/iam/v2/role-bindings', 'POST', { principal: `User:${mapping.id}`, role_name: 'OrganizationAdmin', crn_pattern: `crn://leat.test/organization=${organization}` });
    const guest = await signIn('guest');
    await guest.p.getByRole('heading', { level: 1, name: 'Clusters' }).waitFor();
    assert.equal(await status(guest.p, '/iam/v2/users'), 200);
    await leatd.rest(`/iam/v2/sso/group-mappings/${mapping.id}`, 'PATCH', { filter: '"kafka-admins" in groups' });
    assert.equal(await status(guest.p, '/iam/v2/users'), 403, 'at once, without another sign-in');
    await leatd.rest(`/iam/v2/sso/group-mappings/${mapping.id}`, 'PATCH', { filter: "'staff' in claims.groups" });
    assert.equal(await status(guest.p, '/iam/v2/users'), 200);
    await leatd.rest(`/iam/v2/sso/group-mappings/${mapping.id}`, 'DELETE');
    assert.equal(await status(guest.p, '/iam/v2/users'), 403);
    await guest.context.close();
  }],

  ['an ID token with a wrong nonce, audience, issuer, time or signature signs nobody in', async () => {
    const now = Math.floor(Date.now() / 1000);
    const lies = {
      nonce: claims => ({ ...claims, nonce: 'of-another-sign-in' }),
      'no nonce': ({ nonce, ...claims }) => claims,
      audience: claims => ({ ...claims, aud: 'another-client' }),
      'authorized party': claims => ({ ...claims, azp: 'another-client' }),
      issuer: claims => ({ ...claims, iss: 'http://127.0.0.1:1' }),
      expired: claims => ({ ...claims, iat: now - 7200, exp: now - 3600 }),
      'not yet': claims => ({ ...claims, nbf: now + 3600 }),
      'no subject': ({ sub, ...claims }) => claims,
      signature: 'signature',
    };
    const people = (await leatd.rest('/iam/v2/users?page_size=100')).data.length;
    for (const [what, change] of Object.entries(lies)) {
      provider.tamper = change;
      const { context, p } = await signIn('admin9');
      await p.waitForURL('**/?signin=refused');
      assert.equal(await status(p, '/leat/v1/session'), 401, what);
      await context.close();
    }
    assert.equal((await leatd.rest('/iam/v2/users?page_size=100')).data.length, people, 'nobody was made');
    provider.tamper = claims => claims;
    const { context, p } = await signIn('admin9');
    await p.getByRole('heading', { level: 1, name: 'Clusters' }).waitFor();
    await context.close();
    provider.tamper = null;
  }],

  ['an answer that this browser did not ask for signs nobody in', async () => {
    const manual = { redirect: 'manual' };
    const begun = await fetch(`${leatd.base}/leat/v1/oidc:login`, manual);
    const to = new URL(begun.headers.get('location'));
    assert.equal(begun.status, 302);
    assert.equal(to.origin, provider.issuer);
    for (const name of ['state', 'nonce', 'code_challenge']) assert.ok(to.searchParams.get(name).length >= 43, name);
    assert.equal(to.searchParams.get('code_challenge_method'), 'S256');
    const cookie = begun.headers.get('set-cookie').split(';')[0];
    const state = to.searchParams.get('state');
    const back = async (query, headers = {}) => {
      const answer = await fetch(`${leatd.base}/leat/v1/oidc:callback?${query}`, { ...manual, headers });
      assert.equal(answer.status, 302, query);
      assert.ok(!(answer.headers.get('set-cookie') || '').includes('leat_session='), query);
      return answer.headers.get('location');
    };
    assert.equal(await back(`state=${state}&code=x`), '/?signin=expired');
    assert.equal(await back(`state=other&code=x`, { cookie }), '/?signin=expired');
    assert.equal(await back(`state=${state}&code=made-up`, { cookie }), '/?signin=refused');
    assert.equal(await back(`state=${state}&code=made-up`, { cookie }), '/?signin=expired', 'a state is good once');
    window_.expects(/401 \(Unauthorized\)/); // who am I: nobody yet
    await page.goto('/?signin=refused');
    await page.getByText('The identity provider did not let you in').waitFor();
  }],
];

let code = 1;
try { code = await runTests(tests, window_); } finally {
  await window_.browser.close();
  await leatd.stop();
  await provider.stop();
  rmSync(folder, { recursive: true });
}
process.exit(code);
