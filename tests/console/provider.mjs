// A real OpenID provider (oidc-provider) for the sign-in tests; its own forms are filled in the browser. Whoever
// is named admin… is in the group kafka-admins.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

export const secret = 'provider-secret-of-leat-4411';
const claimsOf = id => ({ sub: id, email: `${id}@example.com`, name: `The ${id}`, groups: id.startsWith('admin') ? ['staff', 'kafka-admins'] : ['staff'] });

// Listens at once, so that its name is known; serves when `open` has said where it may send people back to.
export async function startProvider() {
  const server = createServer();
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  return {
    issuer,
    async open(redirect) {
      const require = createRequire(process.env.PLAYWRIGHT);
      const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
      const provider = new Provider(issuer, {
        clients: [{ client_id: 'leat', client_secret: secret, response_types: ['code'], grant_types: ['authorization_code'], redirect_uris: [redirect] }],
        findAccount: (ctx, id) => ({ accountId: id, claims: async () => claimsOf(id) }),
        claims: { openid: ['sub', 'email', 'name', 'groups'], email: null, profile: null },
        conformIdTokenClaims: false, pkce: { required: () => true },
        cookies: { keys: ['of this test'] },
      });
      server.on('request', provider.callback());
    },
    stop: () => new Promise(done => { server.closeAllConnections(); server.close(done); }),
  };
}
