// A real OpenID provider (oidc-provider) for the sign-in tests; its own forms are filled in the browser. Whoever
// is named admin… is in the group kafka-admins.
import { createSign, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

export const secret = 'provider-secret-of-leat-4411';
const claimsOf = id => ({ sub: id, email: `${id}@example.com`, name: `The ${id}`, groups: id.startsWith('admin') ? ['staff', 'kafka-admins'] : ['staff'] });

// The ID token as another one would be who has the provider's key: `change` gets its payload.
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = { ...keys.privateKey.export({ format: 'jwk' }), kid: 'of-this-test', use: 'sig', alg: 'RS256' };
const encode = value => Buffer.from(JSON.stringify(value)).toString('base64url');
function changed(token, change) {
  const [header, payload, signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  if (change === 'signature') return `${header}.${encode({ ...claims, email: 'admin@example.com' })}.${signature}`;
  const text = `${header}.${encode(change(claims))}`;
  return `${text}.${createSign('sha256').update(text).sign(keys.privateKey).toString('base64url')}`;
}

// Listens at once, so that its name is known; serves when `open` has said where it may send people back to.
export async function startProvider() {
  const server = createServer();
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const it = {
    issuer,
    tamper: null, // what happens to ID tokens on their way: a function of the claims, or 'signature'
    async open(redirect) {
      const require = createRequire(process.env.PLAYWRIGHT);
      const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
      const provider = new Provider(issuer, {
        clients: [{ client_id: 'leat', client_secret: secret, response_types: ['code'], grant_types: ['authorization_code'], redirect_uris: [redirect] }],
        findAccount: (ctx, id) => ({ accountId: id, claims: async () => claimsOf(id) }),
        claims: { openid: ['sub', 'email', 'name', 'groups'], email: null, profile: null },
        conformIdTokenClaims: false, pkce: { required: () => true },
        cookies: { keys: ['of this test'] }, jwks: { keys: [jwk] },
      });
      const serve = provider.callback();
      server.on('request', (request, response) => {
        const end = response.end.bind(response);
        if (it.tamper && request.url.startsWith('/token')) response.end = body => {
          const answer = JSON.parse(body);
          if (!answer.id_token) return void end(body);
          const text = JSON.stringify({ ...answer, id_token: changed(answer.id_token, it.tamper) });
          response.setHeader('content-length', Buffer.byteLength(text));
          end(text);
        };
        serve(request, response);
      });
    },
    stop: () => new Promise(done => { server.closeAllConnections(); server.close(done); }),
  };
  return it;
}
