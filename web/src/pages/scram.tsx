// SCRAM users: logins with a password of their own, beside service accounts; the same that kafka-configs.sh makes.
import { useState } from 'preact/hooks';
import { all, call, useGet } from '../api';
import { seg } from '../router';
import type { Cluster } from '../types';
import { Banner, Button, Copy, DeleteOverlay, Empty, Field, FormOverlay, Overlay, Section, Skeleton, Table, toast } from '../ui';

type User = { user_name: string; principal: string; credentials: { mechanism: string; iterations: number }[]; password?: string };
const MECHANISMS = ['SCRAM-SHA-512', 'SCRAM-SHA-256'];

function PasswordOnce({ u, c, onClose }: { u: User; c: Cluster; onClose: () => void }) {
  const [stored, store] = useState(false);
  const line = (word: string, text: string) => <><dt>{word}</dt><dd><span class="mono">{text}</span><Copy text={text} /></dd></>;
  return (
    <Overlay title="Store the password now" onClose={onClose} hold>
      <div class="dlg-body">
        <Banner kind="warn"><b>It is shown this once.</b> Leat keeps only what checks it. A lost password is replaced by a new one.</Banner>
        <dl class="kv">{line('User', u.user_name)}{line('Password', u.password || '')}{line('Bootstrap', c.bootstrap_servers)}</dl>
        <label class="check"><input type="checkbox" checked={stored} onChange={e => store(e.currentTarget.checked)} />I have stored the password</label>
      </div>
      <footer><Button kind="primary" disabled={!stored} onClick={onClose}>Done</Button></footer>
    </Overlay>
  );
}

function SetPassword({ c, user, onClose, done }: { c: Cluster; user?: User; onClose: () => void; done: (u: User) => void }) {
  const [name, setName] = useState(user?.user_name || '');
  const [mechanism, setMechanism] = useState(user?.credentials[0]?.mechanism || MECHANISMS[0]);
  const [iterations, setIterations] = useState('4096');
  const [password, setPassword] = useState('');
  const submit = async () => done(await call<User>('PUT', `/leat/v1/clusters/${c.id}/scram-users/${seg(name)}`,
    { mechanism, iterations: Number(iterations), ...(password && { password }) }));
  return (
    <FormOverlay title={user ? `New password for ${user.user_name}` : 'New SCRAM user'} action={user ? 'Set password' : 'Create'} onClose={onClose} submit={submit} disabled={!name.trim()}>
      {!user && <Field label="Name" help="Its principal is User: and this name.">{(id, d) => <input id={id} aria-describedby={d} class="in mono" value={name} autofocus spellcheck={false} placeholder="warehouse" onInput={e => setName(e.currentTarget.value)} />}</Field>}
      <Field label="Mechanism" help="A user may have a password for each.">{(id, d) => <select id={id} aria-describedby={d} class="in" value={mechanism} onChange={e => setMechanism(e.currentTarget.value)}>{MECHANISMS.map(m => <option>{m}</option>)}</select>}</Field>
      <Field label="Iterations" help="4096 to 16384; more makes guessing slower, and signing in.">{(id, d) => <input id={id} aria-describedby={d} class="in mono" inputMode="numeric" value={iterations} onInput={e => setIterations(e.currentTarget.value)} />}</Field>
      <Field label="Password" help="8 characters or more. Empty: one is made up and shown once.">{(id, d) => <input id={id} aria-describedby={d} class="in mono" type="password" autocomplete="new-password" value={password} onInput={e => setPassword(e.currentTarget.value)} />}</Field>
    </FormOverlay>
  );
}

export function ScramUsers({ c, grant }: { c: Cluster; grant: (name: string) => void }) {
  const users = useGet<User[]>(`/leat/v1/clusters/${c.id}/scram-users`, 0, all);
  const [making, make] = useState<User | true | null>(null);
  const [fresh, setFresh] = useState<User | null>(null);
  const [leaving, leave] = useState<User | null>(null);
  const done = (u: User) => { users.reload(); if (u.password) setFresh(u); else toast(`${u.user_name} signs in with its new password from now on.`); };
  const remove = async (u: User) => { await call('DELETE', `/leat/v1/clusters/${c.id}/scram-users/${seg(u.user_name)}`); toast(`${u.user_name} is deleted.`); users.reload(); };
  const button = <Button icon="plus" onClick={() => make(true)}>New SCRAM user</Button>;
  return (
    <>
      {making && <SetPassword c={c} user={making === true ? undefined : making} onClose={() => make(null)} done={done} />}
      {fresh && <PasswordOnce u={fresh} c={c} onClose={() => setFresh(null)} />}
      {leaving && <DeleteOverlay what="SCRAM user" name={leaving.user_name} lost={['its passwords; clients that sign in with them are refused from now on', 'its ACLs stay until they are revoked, for nobody']} onClose={() => leave(null)} submit={() => remove(leaving)} />}
      <Section title="SCRAM users" note="names with a password, as Kafka's own tools make them" side={users.value?.length ? button : undefined}>
        {users.error && <Banner>{users.error}</Banner>}
        {!users.value ? (!users.error && <Skeleton rows={2} />) : users.value.length === 0 ? <Empty title="No SCRAM user">For clients that cannot use an API key. Like a service account, one may do nothing until access is granted.<br />{button}</Empty> :
          <Table label="SCRAM users" rows={users.value} rowKey={u => u.user_name} columns={[
            { title: 'User', cell: u => <>{u.user_name}<small class="mono">{u.principal}</small></> },
            { title: 'Mechanisms', cell: u => u.credentials.map(x => <div class="mono">{x.mechanism} <span class="unit">{x.iterations} iterations</span></div>) },
            { title: '', num: true, cell: u => <><Button kind="small" onClick={() => grant(u.user_name)}>Grant access</Button> <Button kind="small" onClick={() => make(u)}>New password</Button> <Button kind="small" onClick={() => leave(u)}>Delete</Button></> },
          ]} />}
      </Section>
    </>
  );
}
