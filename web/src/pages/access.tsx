// Who may do what: service accounts, their keys, and ACLs by intent and as they are.
import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { all, call, del, post, useGet } from '../api';
import { dateTime, plural } from '../format';
import { go, seg } from '../router';
import { Icon } from '../icons';
import { Doors } from '../doors';
import type { Cluster } from '../types';
import { ScramUsers } from './scram';
import { Banner, Button, Copy, DeleteOverlay, Empty, Field, FormOverlay, Head, Overlay, Section, Skeleton, Table, toast } from '../ui';

type Account = { id: string; display_name: string; description: string };
type Key = { id: string; metadata: { created_at: string }; spec: { display_name: string; owner: { id: string }; resource: { id: string }; secret?: string } };
export type Acl = { resource_type: string; resource_name: string; pattern_type: string; principal: string; host: string; operation: string; permission: string };

const useAcls = (c: Cluster) => useGet<{ data: Acl[] }>(`/kafka/v3/clusters/${c.id}/acls`);
const useKeys = () => useGet<Key[]>('/iam/v2/api-keys', 0, all);
const useAccounts = () => useGet<Account[]>('/iam/v2/service-accounts', 0, all);
const aclQuery = (a: Acl) => Object.entries(a).filter(([k]) => ['resource_type', 'resource_name', 'pattern_type', 'principal', 'host', 'operation', 'permission'].includes(k)).map(([k, v]) => `${k}=${seg(v)}`).join('&');

function SecretOnce({ k, c, onClose }: { k: Key; c: Cluster; onClose: () => void }) {
  const [stored, store] = useState(false);
  const secret = k.spec.secret || '';
  const text = JSON.stringify({ key: k.id, secret, bootstrap_servers: c.bootstrap_servers }, null, 2);
  const file = useMemo(() => URL.createObjectURL(new Blob([text], { type: 'application/json' })), [text]);
  useEffect(() => () => URL.revokeObjectURL(file), [file]);
  return (
    <Overlay title="Store the secret now" onClose={onClose} hold>
      <div class="dlg-body">
        <Banner kind="warn"><b>It is shown this once.</b> Leat keeps only a hash. A lost secret is replaced by a new key.</Banner>
        <dl class="kv">
          <dt>Key</dt><dd><span class="mono">{k.id}</span><Copy text={k.id} /></dd>
          <dt>Secret</dt><dd><span class="mono">{secret}</span><Copy text={secret} /></dd>
          <dt>Bootstrap</dt><dd><span class="mono">{c.bootstrap_servers}</span><Copy text={c.bootstrap_servers} /></dd>
        </dl>
        <p><a class="btn" href={file} download={`${k.id}.json`}>Download as a file</a></p><br />
        <label class="check"><input type="checkbox" checked={stored} onChange={e => store(e.currentTarget.checked)} />I have stored the secret</label>
      </div>
      <footer><Button kind="primary" disabled={!stored} onClick={onClose}>Done</Button></footer>
    </Overlay>
  );
}

function NewAccount({ onClose, made }: { onClose: () => void; made: (id: string) => void }) {
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  return (
    <FormOverlay title="New service account" action="Create" onClose={onClose} disabled={!name.trim()}
      submit={async () => made((await post('/iam/v2/service-accounts', { display_name: name, description })).id)}>
      <Field label="Name" help="The application it stands for. It cannot be changed.">{(id, d) => <input id={id} aria-describedby={d} class="in" value={name} autofocus placeholder="orders-api" onInput={e => setName(e.currentTarget.value)} />}</Field>
      <Field label="Description">{(id, d) => <input id={id} aria-describedby={d} class="in" value={description} onInput={e => setDescription(e.currentTarget.value)} />}</Field>
      <p class="help">It may do nothing until access is granted, and connects with a key of its own.</p>
    </FormOverlay>
  );
}

type Intent = 'produce' | 'consume' | 'streams' | 'all' | 'custom';
const intents: [Intent, string, string][] = [
  ['produce', 'May produce to', 'write and describe topics'], ['consume', 'May consume from', 'read topics, with a group'],
  ['streams', 'Streams application', 'all on topics, groups and transactions with a prefix'], ['all', 'Everything', 'all on this cluster'], ['custom', 'One ACL', 'as Kafka has it'],
];

function rules(intent: Intent, principal: string, topic: string, group: string, prefix: boolean, custom: Partial<Acl>): Acl[] {
  const one = (resource_type: string, resource_name: string, operation: string, pattern = prefix ? 'PREFIXED' : 'LITERAL'): Acl =>
    ({ resource_type, resource_name, pattern_type: resource_name === '*' ? 'LITERAL' : pattern, principal, host: '*', operation, permission: 'ALLOW' });
  if (intent === 'produce') return [one('TOPIC', topic, 'WRITE'), one('TOPIC', topic, 'DESCRIBE')];
  if (intent === 'consume') return [one('TOPIC', topic, 'READ'), one('TOPIC', topic, 'DESCRIBE'), one('GROUP', group, 'READ', 'LITERAL')];
  if (intent === 'streams') return [one('TOPIC', topic, 'ALL', 'PREFIXED'), one('GROUP', topic, 'ALL', 'PREFIXED'), one('TRANSACTIONAL_ID', topic, 'ALL', 'PREFIXED')];
  if (intent === 'all') return [one('TOPIC', '*', 'ALL'), one('GROUP', '*', 'ALL'), one('TRANSACTIONAL_ID', '*', 'ALL'), one('CLUSTER', 'kafka-cluster', 'ALL', 'LITERAL')];
  const type = custom.resource_type || 'TOPIC';
  return [{ ...one(type, type === 'CLUSTER' ? 'kafka-cluster' : topic, custom.operation || 'READ', type === 'CLUSTER' ? 'LITERAL' : undefined), permission: custom.permission || 'ALLOW' }];
}

function Grant({ c, account, onClose, done }: { c: Cluster; account: Account; onClose: () => void; done: () => void }) {
  const [intent, setIntent] = useState<Intent>('produce');
  const [topic, setTopic] = useState('');
  const [group, setGroup] = useState('');
  const [prefix, setPrefix] = useState(false);
  const [custom, setCustom] = useState<Partial<Acl>>({});
  const list = rules(intent, `User:${account.id}`, topic, group, prefix, custom);
  const needs = intent !== 'all' && !(intent === 'custom' && custom.resource_type === 'CLUSTER');
  const submit = async () => {
    await post(`/kafka/v3/clusters/${c.id}/acls:batch`, { data: list });
    toast(`${account.display_name} has ${plural(list.length, 'new ACL')}.`);
    done();
  };
  const pick = (label: string, values: string[], value: string, set: (v: string) => void) =>
    <Field label={label}>{(id, d) => <select id={id} aria-describedby={d} class="in" value={value} onChange={e => set(e.currentTarget.value)}>{values.map(v => <option value={v}>{v}</option>)}</select>}</Field>;
  return (
    <FormOverlay title={`Grant access to ${account.display_name}`} action="Grant access" onClose={onClose} submit={submit} disabled={(needs && !topic) || (intent === 'consume' && !group)}>
      <Field label="What for">{(_i, d) => <div class="choices" role="radiogroup" aria-label="What for" aria-describedby={d}>{intents.map(([k, word, note]) => <label class="choice"><input type="radio" name="intent" checked={intent === k} onChange={() => setIntent(k)} />{word}<small>{note}</small></label>)}</div>}</Field>
      {intent === 'custom' && <>
        {pick('Permission', ['ALLOW', 'DENY'], custom.permission || 'ALLOW', v => setCustom({ ...custom, permission: v }))}
        {pick('Operation', ['READ', 'WRITE', 'CREATE', 'DELETE', 'ALTER', 'DESCRIBE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS', 'IDEMPOTENT_WRITE', 'ALL'], custom.operation || 'READ', v => setCustom({ ...custom, operation: v }))}
        {pick('Resource', ['TOPIC', 'GROUP', 'TRANSACTIONAL_ID', 'CLUSTER'], custom.resource_type || 'TOPIC', v => setCustom({ ...custom, resource_type: v }))}
      </>}
      {needs && <Field label={intent === 'streams' ? 'Prefix' : intent === 'custom' && custom.resource_type && custom.resource_type !== 'TOPIC' ? 'Name' : 'Topic'} help={intent === 'streams' ? 'The application id.' : 'A name, or * for every one.'}>{(id, d) => <input id={id} aria-describedby={d} class="in mono" value={topic} spellcheck={false} onInput={e => setTopic(e.currentTarget.value)} />}</Field>}
      {intent === 'consume' && <Field label="Group" help="The consumer's group.id, or *.">{(id, d) => <input id={id} aria-describedby={d} class="in mono" value={group} spellcheck={false} onInput={e => setGroup(e.currentTarget.value)} />}</Field>}
      {needs && intent !== 'streams' && topic !== '*' && <label class="check"><input type="checkbox" checked={prefix} onChange={e => setPrefix(e.currentTarget.checked)} />Every name that starts with this</label>}
      <p class="help">Makes {plural(list.length, 'ACL')}: {list.map(a => `${a.permission} ${a.operation} on ${a.resource_type.toLowerCase()} ${a.resource_name || '…'}`).join('; ')}.</p>
    </FormOverlay>
  );
}

// What the ACLs of one account come to, in words.
type Line = { icon: string; bad?: boolean; what: ComponentChildren; note: string };
const named = (a: Acl) => a.resource_name === '*' ? `every ${kindOf(a)}` : a.pattern_type === 'PREFIXED' ? <>{kindOf(a)}s that start with <code>{a.resource_name}</code></> : <code>{a.resource_name}</code>;
const kindOf = (a: Acl) => a.resource_type.toLowerCase().replace('_', ' ');
const listed = (rows: Acl[]) => {
  const seen = new Map(rows.map(a => [`${a.pattern_type} ${a.resource_name}`, a]));
  return [...seen.values()].map((a, i) => <>{i > 0 && (i === seen.size - 1 ? ' and ' : ', ')}{named(a)}</>);
};
function inWords(rows: Acl[]): Line[] {
  const has = (a: Acl, type: string, ...ops: string[]) => a.permission === 'ALLOW' && a.resource_type === type && ops.includes(a.operation);
  const lines: Line[] = rows.filter(a => a.permission === 'DENY').map(a => ({
    icon: 'deny', bad: true, what: <>DENY: may not {a.operation === 'ALL' ? 'touch' : a.operation.toLowerCase().replace(/_/g, ' ')} {named(a)}</>, note: 'Overrules every grant below.' }));
  const every = (type: string) => rows.some(a => has(a, type, 'ALL') && a.resource_name === (type === 'CLUSTER' ? 'kafka-cluster' : '*'));
  if (every('TOPIC') && every('GROUP') && every('CLUSTER')) return [...lines, { icon: 'access', what: 'May do everything on this cluster', note: 'All on topics, groups and the cluster itself.' }];
  const writes = rows.filter(a => has(a, 'TOPIC', 'WRITE', 'ALL'));
  const reads = rows.filter(a => has(a, 'TOPIC', 'READ', 'ALL'));
  const groups = rows.filter(a => has(a, 'GROUP', 'READ', 'ALL'));
  if (writes.length) lines.push({ icon: 'right', what: <>May produce to {listed(writes)}</>, note: 'Write on a topic; no transactions unless an ACL below says so.' });
  if (reads.length) lines.push({ icon: 'down', what: <>May consume from {listed(reads)}{groups.length > 0 && <> with group {listed(groups)}</>}</>, note: groups.length ? 'Read on a topic and on a group.' : 'Read on a topic, but on no group: it can read partitions only by number.' });
  const rest = rows.filter(a => a.permission === 'ALLOW' && ![...writes, ...reads, ...groups].includes(a) && !(a.operation === 'DESCRIBE' && [...writes, ...reads].some(t => t.resource_name === a.resource_name)));
  if (rest.length) lines.push({ icon: 'plus', what: <>{rest.slice(0, 4).map((a, i) => <>{i > 0 && '; '}{a.operation.toLowerCase().replace(/_/g, ' ')} on {kindOf(a)} {named(a)}</>)}</>, note: rest.length > 4 ? `and ${rest.length - 4} more below` : 'Single ACLs.' });
  return lines;
}
const Intents = ({ rows }: { rows: Acl[] }) => (
  <ul class="card intents">{inWords(rows).map(l => <li class={l.bad ? 'bad' : ''}><Icon name={l.icon} /><span>{l.what}<small>{l.note}</small></span></li>)}</ul>
);

function AclTable({ c, rows, reload, names, withPrincipal }: { c: Cluster; rows: Acl[]; reload: () => void; names: Map<string, string>; withPrincipal?: boolean }) {
  const revoke = async (a: Acl) => { try { await del(`/kafka/v3/clusters/${c.id}/acls?${aclQuery(a)}`); toast('Revoked.'); reload(); } catch (e) { toast((e as Error).message); } };
  const who = (p: string) => names.get(p.replace(/^User:/, ''));
  return <Table label="ACLs" rows={rows} rowKey={aclQuery} columns={[
    ...(withPrincipal ? [{ title: 'Principal', cell: (a: Acl) => <>{who(a.principal) ? <a class="name" href={`/clusters/${c.id}/access/${a.principal.replace(/^User:/, '')}`}>{who(a.principal)}</a> : a.principal}<small class="mono">{a.principal}</small></> }] : []),
    { title: 'Effect', cell: a => a.permission === 'DENY' ? <span class="badge bad">DENY</span> : 'ALLOW' },
    { title: 'Operation', cell: a => <span class="mono">{a.operation}</span> },
    { title: 'Resource', cell: a => a.resource_type.toLowerCase().replace('_', ' ') },
    { title: 'Name', cell: a => <span class="mono">{a.resource_name}</span> },
    { title: 'Match', narrow: 'p2', cell: a => a.pattern_type === 'PREFIXED' ? 'prefix' : a.resource_name === '*' ? 'every' : 'exact' },
    { title: 'Host', narrow: 'p3', cell: a => <span class="mono">{a.host}</span> },
    { title: '', num: true, cell: a => <Button kind="small" onClick={() => revoke(a)}>Revoke</Button> },
  ]} />;
}

export function Access({ c }: { c: Cluster }) {
  const accounts = useAccounts();
  const keys = useKeys();
  const acls = useAcls(c);
  const [making, make] = useState(false);
  const [granting, grantTo] = useState('');
  const names = new Map((accounts.value || []).map(a => [a.id, a.display_name]));
  const list = acls.value?.data || [];
  const mine = (keys.value || []).filter(k => k.spec.resource.id === c.id);
  return (
    <>
      {granting && <Grant c={c} account={{ id: granting, display_name: granting, description: '' }} onClose={() => grantTo('')} done={acls.reload} />}
      {making && <NewAccount onClose={() => make(false)} made={id => go(`/clusters/${c.id}/access/${id}`)} />}
      <Head title="Access" lead="A service account stands for an application. Its cluster keys open this cluster's Kafka port; its ACLs say what it may do there. Without an ACL it may do nothing."
        actions={<Button kind="primary" icon="plus" onClick={() => make(true)}>New service account</Button>} />
      {(accounts.error || acls.error) && <Banner>{accounts.error || acls.error}</Banner>}
      <Section title="Service accounts">
        {!accounts.value ? <Skeleton /> : accounts.value.length === 0 ? <Empty title="No service account yet">Make one for each application.<br /><Button kind="primary" icon="plus" onClick={() => make(true)}>New service account</Button></Empty> :
          <Table label="Service accounts" rows={accounts.value} rowKey={a => a.id} columns={[
            { title: 'Account', cell: a => <><a class="name" href={`/clusters/${c.id}/access/${a.id}`}>{a.display_name}</a><small class="mono">{a.id}</small></> },
            { title: 'Description', narrow: 'p2', cell: a => a.description },
            { title: 'Keys here', num: true, cell: a => mine.filter(k => k.spec.owner.id === a.id).length },
            { title: 'ACLs here', num: true, cell: a => { const n = list.filter(x => x.principal === `User:${a.id}`); const deny = n.some(x => x.permission === 'DENY'); return <>{n.length}{deny && <> <span class="badge bad">DENY</span></>}</>; } },
          ]} />}
      </Section>
      <ScramUsers c={c} grant={grantTo} />
      <Section title="ACLs of this cluster" note="a deny beats every allow">
        {!acls.value ? <Skeleton /> : list.length === 0 ? <Empty title="No ACL yet">Open a service account and grant it access.</Empty> : <AclTable c={c} rows={list} reload={acls.reload} names={names} withPrincipal />}
      </Section>
      <Doors />
    </>
  );
}

export function AccountPage({ c, id }: { c: Cluster; id: string }) {
  const account = useGet<Account>(`/iam/v2/service-accounts/${seg(id)}`);
  const keys = useKeys();
  const acls = useAcls(c);
  const [open, show] = useState<'' | 'grant' | 'delete'>('');
  const [fresh, setFresh] = useState<Key | null>(null);
  const [leaving, leave] = useState<Key | null>(null);
  const a = account.value;
  if (!a) return account.error ? <Empty title={account.error}><a href={`/clusters/${c.id}/access`}>Access</a></Empty> : <Skeleton />;
  const mine = (keys.value || []).filter(k => k.spec.owner.id === id && k.spec.resource.id === c.id);
  const rows = (acls.value?.data || []).filter(x => x.principal === `User:${id}`);
  const newKey = async () => {
    try {
      setFresh(await post<Key>('/iam/v2/api-keys', { spec: { display_name: a.display_name, description: '', owner: { id }, resource: { id: c.id } } }));
      keys.reload();
    } catch (e) { toast((e as Error).message); }
  };
  const retire = async (k: Key) => { await call('DELETE', `/iam/v2/api-keys/${k.id}`); toast(`Key ${k.id} is retired.`); keys.reload(); };
  return (
    <>
      {leaving && <FormOverlay title={`Retire key ${leaving.id}?`} action="Retire key" cancel="Keep it" danger drawer={false} onClose={() => leave(null)} submit={() => retire(leaving)}>
        <p>Clients that sign in with it are refused from now on. Give them a new key first; a retired key does not come back.</p>
      </FormOverlay>}
      {open === 'grant' && <Grant c={c} account={a} onClose={() => show('')} done={acls.reload} />}
      {fresh && <SecretOnce k={fresh} c={c} onClose={() => setFresh(null)} />}
      {open === 'delete' && <DeleteOverlay what="service account" name={a.display_name} lost={['its keys on every cluster; clients that use them are cut off', 'its ACLs stay until they are revoked, for nobody']} onClose={() => show('')}
        submit={async () => { await call('DELETE', `/iam/v2/service-accounts/${id}`); toast(`${a.display_name} is deleted.`); go(`/clusters/${c.id}/access`); }} />}
      <Head title={a.display_name} side={<span class="badge">service account</span>} lead={a.description || `User:${id}. ${rows.length ? `${plural(rows.length, 'ACL')} on this cluster.` : 'It may do nothing here yet: grant it access.'}`}
        actions={<><Button icon="trash" onClick={() => show('delete')}>Delete</Button><Button icon="access" onClick={newKey}>New key</Button><Button kind="primary" icon="plus" onClick={() => show('grant')}>Grant access</Button></>} />
      <Section title="API keys" note="two may live at once, so a rotation needs no downtime">
        {!keys.value ? <Skeleton rows={2} /> : mine.length === 0 ? <Empty title="No key for this cluster">A client signs in with a key and its secret.<br /><Button icon="access" onClick={newKey}>New key</Button></Empty> :
          <Table label="API keys" rows={mine} rowKey={k => k.id} columns={[
            { title: 'Key', cell: k => <span class="mono">{k.id}</span> },
            { title: 'Made', cell: k => dateTime(k.metadata.created_at) },
            { title: '', num: true, cell: k => <><Copy text={k.id} label="Copy key" /> <Button kind="small" onClick={() => leave(k)}>Retire</Button></> },
          ]} />}
      </Section>
      <Section title="What it may do" note="in words; each line is one or more ACLs">
        {!acls.value ? <Skeleton rows={2} /> : rows.length === 0 ? <Empty title="Nothing yet">Without an ACL every request of it is refused.<br /><Button kind="primary" icon="plus" onClick={() => show('grant')}>Grant access</Button></Empty> : <Intents rows={rows} />}
      </Section>
      {rows.length > 0 && <Section title="The same as ACLs" note={`${plural(rows.length, 'rule')}, a deny beats every allow`}><AclTable c={c} rows={rows} reload={acls.reload} names={new Map()} /></Section>}
    </>
  );
}
