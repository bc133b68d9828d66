// Sign in. Contour lines with one leat: only here, never behind data.
import { useEffect, useState } from 'preact/hooks';
import { ApiError, post, useGet } from '../api';
import { Mark } from '../icons';
import { Banner, Button, Field } from '../ui';

const lines = Array.from({ length: 30 }, (_, i) => {
  const y = i * 32 - 10;
  const swell = 46 - Math.abs(i - 15) * 2.6;
  return `M-20 ${y + swell} C 180 ${y - swell}, 330 ${y + swell * 2.4}, 540 ${y + swell} S 860 ${y - swell * 0.6}, 1020 ${y - swell * 0.2}`;
});

const words: Record<string, string> = {
  expired: 'That sign-in took too long, or began in another browser. Begin again.',
  refused: 'The identity provider did not let you in, or its answer was not good.',
  taken: 'Somebody who signs in by password has this name here already.',
  unreachable: 'The identity provider does not answer.',
};

export function Login({ done }: { done: (session: any) => void }) {
  const [login, setLogin] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const provider = useGet<{ configured: boolean; name: string | null }>('/leat/v1/oidc').value;
  const word = words[new URLSearchParams(location.search).get('signin') || ''];
  useEffect(() => { document.title = 'Sign in · Leat'; }, []);
  const submit = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setError('');
    try { done(await post('/leat/v1/session', { login, password })); } catch (x) {
      setError(x instanceof ApiError && x.status === 401 ? 'That name and password do not belong together.' : (x as Error).message);
      setBusy(false);
    }
  };
  return (
    <div class="gate">
      <main class="gate-form" id="main">
        <span class="brand"><Mark />Leat</span>
        <form onSubmit={submit}>
          <h1>Sign in</h1>
          <p class="lead">Kafka for your team, on your own machine.</p>
          <Field label="Login" help="">{(id, d) => <input id={id} aria-describedby={d} class="in" value={login} autocomplete="username" autofocus required onInput={e => setLogin(e.currentTarget.value)} />}</Field>
          <Field label="Password" error={error} help="The first one is in quickstart.json in the data folder.">{(id, d) => <input id={id} aria-describedby={d} aria-invalid={!!error} class="in" type="password" value={password} autocomplete="current-password" required onInput={e => setPassword(e.currentTarget.value)} />}</Field>
          <Button type="submit" kind="primary" disabled={busy}>{busy ? 'Signing in…' : 'Sign in'}</Button>
          {provider?.configured && <a class="btn" href="/leat/v1/oidc:login" target="_self">Sign in with {provider.name}</a>}
          {word && <Banner kind="warn">{word}</Banner>}
        </form>
        <p class="help">Brokers serve on, also while this console is down.</p>
      </main>
      <div class="gate-scene" aria-hidden="true">
        <svg viewBox="0 0 1000 900" preserveAspectRatio="xMidYMid slice">
          {lines.map((d, i) => <path d={d} class={i === 16 ? 'leat' : i < 8 || i > 24 ? 'far' : ''} />)}
        </svg>
        <p>A leat follows the contour of a hill and falls just enough to keep the water moving, so that the mill never stops.</p>
      </div>
    </div>
  );
}
