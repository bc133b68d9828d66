// People: who may sign in, who was invited, and which roles people and service accounts have where.
import { useState } from 'preact/hooks';
import { all, call, del, post, useGet } from '../api';
import { Doors } from '../doors';
import { dateTime, plural } from '../format';
import { seg } from '../router';
import type { Cluster } from '../types';
import { Banner, Button, Copy, DeleteOverlay, Empty, Field, FormOverlay, Head, Overlay, Section, Skeleton, Table, toast } from '../ui';

type User = { id: string; email: string; full_name: string; metadata: { created_at: string } };
type Invitation = { id: string; email: string; status: string; expires_at: string; user: { id: string }; link?: string };
type Binding = { id: string; principal: string; role_name: string; crn_pattern: string };
type Role = { name: string; description: string; scopes: string[] };
type Named = { id: string; display_name: string };

function Invite({ onClose, done }: { onClose: () => void; done: (i: Invitation) => void }) {
  const [email, setEmail] = useState('');
  return (
    <FormOverlay title="Invite somebody" action="Make the link" onClose={onClose} disabled={!email.includes('@')}
      submit={async () => done(await post('/iam/v2/invitations', { email }))}>
      <Field label="E-mail" help="It is the login. Nothing is sent: the link is yours to pass on.">{(id, d) => <input id={id} aria-describedby={d} class="in" type="email" value={email} autofocus onInput={e => setEmail(e.currentTarget.value)} />}</Field>
    </FormOverlay>
  );
}

const LinkOnce = ({ i, onClose }: { i: Invitation; onClose: () => void }) => (
  <Overlay title={`Pass this link to ${i.email}`} onClose={onClose} hold>
    <div class="dlg-body">
      <Banner kind="warn"><b>It is shown this once.</b> Whoever opens it first sets the password. It works until {dateTime(i.expires_at)}.</Banner>
      <dl class="kv"><dt>Link</dt><dd><span class="mono wrap">{i.link}</span><Copy text={i.link || ''} /></dd></dl>
    </div>
    <footer><Button kind="primary" onClick={onClose}>Done</Button></footer>
  </Overlay>
);

// Who of the identity provider's people a principal means: a mapping gets roles as a person does.
type Mapping = { id: string; display_name: string; description: string; filter: string };
function MapGroup({ onClose, done }: { onClose: () => void; done: () => void }) {
  const [name, setName] = useState('');
  const [filter, setFilter] = useState('');
  return (
    <FormOverlay title="Map a group" action="Make the mapping" onClose={onClose} disabled={!name || !filter}
      submit={async () => { await post('/iam/v2/sso/group-mappings', { display_name: name, description: '', filter }); toast(`${name} may be given roles now.`); done(); }}>
      <Field label="Name">{(id, d) => <input id={id} aria-describedby={d} class="in" value={name} autofocus onInput={e => setName(e.currentTarget.value)} />}</Field>
      <Field label="Filter" help={'Like "engineering" in groups; &&, ||, ! and parentheses join several.'}>{(id, d) => <input id={id} aria-describedby={d} class="in mono" value={filter} spellcheck={false} onInput={e => setFilter(e.currentTarget.value)} />}</Field>
    </FormOverlay>
  );
}

// A scope as a CRN: the organization, or further in.
type Where = { kind: string; environment: string; cluster: string; name: string; prefix: boolean };
function crnOf(root: string, w: Where, clusters: Cluster[]) {
  if (w.kind === 'organization') return root;
  if (w.kind === 'environment') return `${root}/environment=${w.environment}`;
  const c = clusters.find(x => x.id === w.cluster);
  const at = `${root}/environment=${c?.environment.id}/cloud-cluster=${w.cluster}`;
  return w.kind === 'cloud-cluster' ? at : `${at}/kafka=${w.cluster}/${w.kind}=${w.name}${w.prefix ? '*' : ''}`;
}
const scopeWord: Record<string, string> = { organization: 'everything', environment: 'an environment', 'cloud-cluster': 'a cluster', topic: 'topics', group: 'consumer groups', 'transactional-id': 'transactional ids' };

function Bind({ root, principals, onClose, done }: { root: string; principals: [string, string][]; onClose: () => void; done: () => void }) {
  const roles = useGet<{ data: Role[] }>('/leat/v1/roles');
  const environments = useGet<Named[]>('/org/v2/environments', 0, all);
  const clusters = useGet<Cluster[]>('/leat/v1/clusters', 0, all);
  const [who, setWho] = useState('');
  const [name, setName] = useState('');
  const [where, setWhere] = useState<Where>({ kind: '', environment: '', cluster: '', name: '', prefix: true });
  const role = roles.value?.data.find(r => r.name === name);
  const kind = role?.scopes.includes(where.kind) ? where.kind : role?.scopes[0] || '';
  const inCluster = kind !== '' && kind !== 'organization' && kind !== 'environment';
  const resource = inCluster && kind !== 'cloud-cluster';
  const ready = who && role && (kind !== 'environment' || where.environment) && (!inCluster || where.cluster) && (!resource || where.name || where.prefix);
  const submit = async () => {
    await post('/iam/v2/role-bindings', { principal: `User:${who}`, role_name: name, crn_pattern: crnOf(root, { ...where, kind }, clusters.value || []) });
    toast(`${principals.find(p => p[0] === who)?.[1]} is ${name}.`);
    done();
  };
  const pick = (label: string, value: string, values: [string, string][], set: (v: string) => void, help = '') =>
    <Field label={label} help={help}>{(id, d) => <select id={id} aria-describedby={d} class="in" value={value} onChange={e => set(e.currentTarget.value)}><option value="">choose</option>{values.map(([v, w]) => <option value={v}>{w}</option>)}</select>}</Field>;
  return (
    <FormOverlay title="Give a role" action="Give the role" onClose={onClose} submit={submit} disabled={!ready}>
      {pick('To', who, principals, setWho)}
      {pick('Role', name, (roles.value?.data || []).map(r => [r.name, r.name]), setName, role?.description)}
      {role && role.scopes.length > 1 && <Field label="On">{(id, d) => <select id={id} aria-describedby={d} class="in" value={kind} onChange={e => setWhere({ ...where, kind: e.currentTarget.value })}>{role.scopes.map(s => <option value={s}>{scopeWord[s]}</option>)}</select>}</Field>}
      {kind === 'environment' && pick('Environment', where.environment, (environments.value || []).map(e => [e.id, e.display_name]), v => setWhere({ ...where, environment: v }))}
      {inCluster && pick('Cluster', where.cluster, (clusters.value || []).map(c => [c.id, c.display_name]), v => setWhere({ ...where, cluster: v }))}
      {resource && <><Field label="Name" help={where.prefix ? 'Every name that starts with this; empty: every one.' : ' '}>{(id, d) => <input id={id} aria-describedby={d} class="in mono" value={where.name} spellcheck={false} onInput={e => setWhere({ ...where, name: e.currentTarget.value })} />}</Field>
        <label class="check"><input type="checkbox" checked={where.prefix} onChange={e => setWhere({ ...where, prefix: e.currentTarget.checked })} />Every name that starts with this</label></>}
    </FormOverlay>
  );
}

// Where a binding holds, in words.
function inWords(crn: string, environments: Map<string, string>, clusters: Map<string, string>) {
  const part = (name: string) => new RegExp(`/${name}=([^/]+)`).exec(crn)?.[1] || '';
  const cluster = part('cloud-cluster'), environment = part('environment');
  const resource = /\/(topic|group|transactional-id)=(.+)$/.exec(crn);
  const at = cluster ? clusters.get(cluster) || cluster : environment ? environments.get(environment) || environment : 'everything';
  if (!resource) return at;
  const name = resource[2] === '*' ? 'every one' : resource[2];
  return <>{resource[1].replace('-', ' ')} <span class="mono">{name}</span><small>{at}</small></>;
}

export function People() {
  const users = useGet<User[]>('/iam/v2/users', 0, all);
  const invitations = useGet<Invitation[]>('/iam/v2/invitations', 0, all);
  const accounts = useGet<Named[]>('/iam/v2/service-accounts', 0, all);
  const mappings = useGet<Mapping[]>('/iam/v2/sso/group-mappings', 0, all);
  const environments = useGet<Named[]>('/org/v2/environments', 0, all);
  const clusters = useGet<Cluster[]>('/leat/v1/clusters', 0, all);
  const organization = useGet<{ data: { id: string }[] }>('/org/v2/organizations').value?.data[0]?.id;
  const root = `crn://${location.host}/organization=${organization}`;
  const bindings = useGet<Binding[]>(organization ? `/iam/v2/role-bindings?crn_pattern=${seg(`${root}/*`)}` : null, 0, all);
  const roles = useGet<{ data: Role[] }>('/leat/v1/roles');
  const [open, show] = useState<'' | 'invite' | 'bind' | 'map'>('');
  const [link, setLink] = useState<Invitation | null>(null);
  const [leaving, leave] = useState<User | null>(null);
  const waiting = (invitations.value || []).filter(i => i.status !== 'INVITE_STATUS_ACCEPTED');
  const invited = new Map(waiting.map(i => [i.user.id, i]));
  const names = new Map<string, string>([...(users.value || []).map(u => [u.id, u.full_name || u.email] as [string, string]), ...(accounts.value || []).map(a => [a.id, a.display_name] as [string, string]), ...(mappings.value || []).map(m => [m.id, m.display_name] as [string, string])]);
  const environmentNames = new Map((environments.value || []).map(e => [e.id, e.display_name]));
  const clusterNames = new Map((clusters.value || []).map(c => [c.id, c.display_name]));
  const rolesOf = (id: string) => (bindings.value || []).filter(b => b.principal === `User:${id}`);
  const reload = () => { users.reload(); invitations.reload(); bindings.reload(); mappings.reload(); };
  const act = async (what: Promise<unknown>, word: string) => { try { await what; toast(word); reload(); } catch (e) { toast((e as Error).message); } };
  return (
    <>
      {open === 'invite' && <Invite onClose={() => show('')} done={i => { setLink(i); reload(); }} />}
      {open === 'bind' && <Bind root={root} principals={[...names.entries()]} onClose={() => show('')} done={reload} />}
      {open === 'map' && <MapGroup onClose={() => show('')} done={reload} />}
      {link && <LinkOnce i={link} onClose={() => setLink(null)} />}
      {leaving && <DeleteOverlay what="person" name={leaving.email} lost={['sessions end at once', `${plural(rolesOf(leaving.id).length, 'role')} and every key of this person`]} onClose={() => leave(null)}
        submit={async () => { await call('DELETE', `/iam/v2/users/${leaving.id}`); toast(`${leaving.email} is gone.`); reload(); }} />}
      <Head title="People" lead="Who may sign in, and which role gives whom what. A role reaches all that lies within where it is given."
        actions={<><Button icon="access" onClick={() => show('bind')} disabled={!organization}>Give a role</Button><Button kind="primary" icon="plus" onClick={() => show('invite')}>Invite</Button></>} />
      {(users.error || bindings.error) && <Banner>{users.error || bindings.error}</Banner>}
      <Section title="People" note={users.value && plural(users.value.length, 'person', 'people')}>
        {!users.value ? (!users.error && <Skeleton />) : <Table label="People" rows={users.value} rowKey={u => u.id} columns={[
          { title: 'Person', cell: u => <>{u.full_name || u.email}{u.full_name && <small>{u.email}</small>}</> },
          { title: 'Id', narrow: 'p3', cell: u => <span class="mono">{u.id}</span> },
          { title: 'Roles', cell: u => rolesOf(u.id).map(b => b.role_name).join(', ') || <span class="quiet-ink">none</span> },
          { title: 'State', narrow: 'p2', cell: u => { const i = invited.get(u.id); return !i ? 'may sign in' : i.status === 'INVITE_STATUS_EXPIRED' ? <span class="badge warn">invitation ran out</span> : <span class="badge">invited</span>; } },
          { title: '', num: true, cell: u => { const i = invited.get(u.id); return i ? <Button kind="small" onClick={() => act(del(`/iam/v2/invitations/${i.id}`), `${u.email} is not invited any more.`)}>Take back</Button> : <Button kind="small" onClick={() => leave(u)}>Remove</Button>; } },
        ]} />}
      </Section>
      <Section title="Groups of the identity provider" note="whoever signs in by it and is in these groups has the roles of the mapping" side={<Button kind="small" onClick={() => show('map')}>Map a group</Button>}>
        {!mappings.value ? (!mappings.error && <Skeleton />) : mappings.value.length === 0 ? <Empty title="None">People who sign in by an identity provider can have roles by their groups there.</Empty> :
          <Table label="Group mappings" rows={mappings.value} rowKey={m => m.id} columns={[
            { title: 'Mapping', cell: m => m.display_name },
            { title: 'Means', cell: m => <span class="mono wrap">{m.filter}</span> },
            { title: 'Id', narrow: 'p3', cell: m => <span class="mono">{m.id}</span> },
            { title: 'Roles', cell: m => rolesOf(m.id).map(b => b.role_name).join(', ') || <span class="quiet-ink">none</span> },
            { title: '', num: true, cell: m => <Button kind="small" onClick={() => act(del(`/iam/v2/sso/group-mappings/${m.id}`), `${m.display_name} and its roles are gone.`)}>Delete</Button> },
          ]} />}
      </Section>
      <Section title="Roles given" note="who has none sees nothing">
        {!bindings.value ? (!bindings.error && <Skeleton />) : bindings.value.length === 0 ? <Empty title="None">Without a role nobody sees anything.</Empty> :
          <Table label="Roles given" rows={bindings.value} rowKey={b => b.id} columns={[
            { title: 'Who', cell: b => <>{names.get(b.principal.slice(5)) || b.principal}<small class="mono">{b.principal}</small></> },
            { title: 'Role', cell: b => b.role_name },
            { title: 'On', cell: b => inWords(b.crn_pattern, environmentNames, clusterNames) },
            { title: '', num: true, cell: b => <Button kind="small" onClick={() => act(del(`/iam/v2/role-bindings/${b.id}`), 'The role is taken away.')}>Take away</Button> },
          ]} />}
      </Section>
      <Section title="What each role is for">
        {roles.value && <Table label="Roles" rows={roles.value.data} rowKey={r => r.name} columns={[
          { title: 'Role', cell: r => r.name },
          { title: 'For', cell: r => r.description },
          { title: 'Given on', narrow: 'p2', cell: r => r.scopes.map(s => scopeWord[s]).join(', ') },
        ]} />}
      </Section>
      <Doors />
    </>
  );
}
