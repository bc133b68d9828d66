// Sign in. Contour lines with one leat: only here, never behind data.
import { useState } from 'preact/hooks';
import { ApiError, post } from '../api';
import { Mark } from '../icons';
import { Button, Field } from '../ui';

const lines = Array.from({ length: 14 }, (_, i) => {
  const y = 40 + i * 68;
  return `M-20 ${y} C 240 ${y - 70 + i * 6}, 420 ${y + 90 - i * 4}, 720 ${y + 10} S 1180 ${y - 60}, 1480 ${y + 20}`;
});

export function Login({ done }: { done: (session: any) => void }) {
  const [login, setLogin] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setError('');
    try { done(await post('/leat/v1/session', { login, password })); } catch (x) {
      setError(x instanceof ApiError && x.status === 401 ? 'The login or the password is wrong.' : (x as Error).message);
      setBusy(false);
    }
  };
  return (
    <div class="signin">
      <svg class="contours" viewBox="0 0 1440 900" preserveAspectRatio="xMidYMid slice" aria-hidden="true">
        {lines.map((d, i) => <path d={d} class={i === 8 ? 'leat' : ''} />)}
      </svg>
      <form onSubmit={submit} id="main">
        <Mark />
        <h1>Leat</h1>
        <p class="lead">Sign in to see your clusters.</p>
        <Field label="Login">{(id, d) => <input id={id} aria-describedby={d} class="in" value={login} autocomplete="username" autofocus required onInput={e => setLogin(e.currentTarget.value)} />}</Field>
        <Field label="Password" error={error} help="The first one is in data/quickstart.json on the host.">{(id, d) => <input id={id} aria-describedby={d} class="in" type="password" value={password} autocomplete="current-password" required onInput={e => setPassword(e.currentTarget.value)} />}</Field>
        <Button type="submit" kind="primary" disabled={busy}>{busy ? 'Signing in…' : 'Sign in'}</Button>
      </form>
    </div>
  );
}
