// Oneself: another password, and where one is signed in. And the page behind an invitation's link.
import { useEffect, useState } from 'preact/hooks';
import { call, del, post, useGet } from '../api';
import { dateTime } from '../format';
import { Mark } from '../icons';
import { Banner, Button, Field, Head, Section, Skeleton, Table, toast } from '../ui';

type Row = { id: string; address: string; created_at: string; expires_at: string; current: boolean };
const PASSWORD_HELP = 'At least 8 characters; 15 and more are better.';

const secret = (label: string, value: string, set: (v: string) => void, auto: string, help = '', error = '') =>
  <Field label={label} help={help} error={error}>{(id, d) => <input id={id} aria-describedby={d} aria-invalid={!!error} class="in" type="password" value={value} autocomplete={auto} required onInput={e => set(e.currentTarget.value)} />}</Field>;

export function Profile({ user }: { user: { login: string; full_name: string } }) {
  const sessions = useGet<{ data: Row[] }>('/leat/v1/sessions');
  const [now, setNow] = useState('');
  const [next, setNext] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const change = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setError('');
    try {
      await call('PUT', '/leat/v1/password', { current_password: now, new_password: next });
      toast('The password is changed. Your other sessions have ended.');
      setNow('');
      setNext('');
      sessions.reload();
    } catch (x) { setError((x as Error).message); }
    setBusy(false);
  };
  const end = async (s: Row) => { try { await del(`/leat/v1/sessions/${s.id}`); toast('The session has ended.'); sessions.reload(); } catch (e) { toast((e as Error).message); } };
  return (
    <>
      <Head title={user.full_name || user.login} lead={`Signed in as ${user.login}.`} />
      <Section title="Password" note="all other sessions end">
        <form onSubmit={change} class="narrow-form">
          {secret('Current password', now, setNow, 'current-password')}
          {secret('New password', next, setNext, 'new-password', PASSWORD_HELP, error)}
          <Button type="submit" kind="primary" disabled={busy || !now || next.length < 8}>{busy ? 'Changing…' : 'Change the password'}</Button>
        </form>
      </Section>
      <Section title="Sessions">
        {sessions.error && <Banner>{sessions.error}</Banner>}
        {!sessions.value ? (!sessions.error && <Skeleton rows={2} />) : <Table label="Sessions" rows={sessions.value.data} rowKey={s => s.id} columns={[
          { title: 'Since', cell: s => dateTime(s.created_at) },
          { title: 'From', cell: s => <span class="mono">{s.address}</span> },
          { title: 'Until', narrow: 'p2', cell: s => dateTime(s.expires_at) },
          { title: '', num: true, cell: s => s.current ? <span class="badge">this one</span> : <Button kind="small" onClick={() => end(s)}>End</Button> },
        ]} />}
      </Section>
    </>
  );
}

// The token stands behind the # of the link, which browsers keep to themselves.
export function AcceptInvitation() {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  useEffect(() => { document.title = 'Welcome · Leat'; }, []);
  const submit = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setError('');
    try {
      const user = await post('/leat/v1/invitations:accept', { token: location.hash.slice(1), full_name: name, password });
      await post('/leat/v1/session', { login: user.email, password });
      location.replace('/');
    } catch (x) { setError((x as Error).message); setBusy(false); }
  };
  return (
    <div class="gate">
      <main class="gate-form" id="main">
        <span class="brand"><Mark />Leat</span>
        <form onSubmit={submit}>
          <h1>Welcome</h1>
          <p class="lead">You were invited. Say who you are, and choose a password.</p>
          <Field label="Name" help="">{(id, d) => <input id={id} aria-describedby={d} class="in" value={name} autocomplete="name" autofocus required onInput={e => setName(e.currentTarget.value)} />}</Field>
          {secret('Password', password, setPassword, 'new-password', PASSWORD_HELP, error)}
          <Button type="submit" kind="primary" disabled={busy || !name.trim() || password.length < 8}>{busy ? 'One moment…' : 'Join'}</Button>
        </form>
      </main>
    </div>
  );
}
