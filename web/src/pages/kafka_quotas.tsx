// Kafka's own quotas: of users, client ids, both together, and addresses, as kafka-configs.sh sets them.
import { useState } from 'preact/hooks';
import { all, call, useGet } from '../api';
import { rate, rateLimit } from '../format';
import { seg } from '../router';
import type { Cluster, HeldBack } from '../types';
import { Held } from './held';
import { Banner, Button, Empty, Field, FormOverlay, Gauge, Pick, RATE_UNITS, Section, Skeleton, Table, toast } from '../ui';

type Entity = { user?: string; client_id?: string; ip?: string };
type Rates = Record<string, number>;
type Row = { entity: Entity; quotas: Rates; client_quota_id: string | null; use: Use | null };
type Use = HeldBack & { ingress_bytes_per_s: number; egress_bytes_per_s: number; request_percentage: number | null; controller_mutations_per_s: number | null; connections_per_s: number | null; throttle_ms: number };
type Kind = 'user' | 'client_id' | 'user client_id' | 'ip';
const DEFAULT = '<default>';
const kinds: [Kind, string][] = [['user', 'A user'], ['client_id', 'A client id'], ['user client_id', 'A client id of a user'], ['ip', 'An address']];
const limits: [string, string, string, boolean][] = [ // key, label, help, of an address
  ['producer_byte_rate', 'May send', 'Empty: no limit.', false], ['consumer_byte_rate', 'May read', 'Empty: no limit.', false],
  ['request_percentage', 'Time of requests', 'Percent of one thread. Empty: no limit.', false],
  ['controller_mutation_rate', 'Topics and partitions', 'Made or deleted a second. Empty: no limit.', false],
  ['connection_creation_rate', 'New connections', 'A second, from one address.', true],
];
const uses: Record<string, keyof Use> = { producer_byte_rate: 'ingress_bytes_per_s', consumer_byte_rate: 'egress_bytes_per_s', request_percentage: 'request_percentage',
  controller_mutation_rate: 'controller_mutations_per_s', connection_creation_rate: 'connections_per_s' };
const bytes = (key: string) => key.endsWith('byte_rate');
const shown = (key: string, n: number) => (bytes(key) ? rateLimit(n) : key === 'request_percentage' ? `${n} %` : `${n} a second`);
const fine = (v: number) => (v >= 10 ? v.toFixed(0) : v.toFixed(1)).replace(/\.0$/, '');
const kindOf = (e: Entity) => Object.keys(e).sort().reverse().join(' ') as Kind;
const keyOf = (e: Entity) => (['user', 'client_id', 'ip'] as const).filter(k => e[k] !== undefined).map(k => `${k}=${seg(e[k]!)}`).join('&');
const named = (word: string, name: string) => (name === DEFAULT ? `every ${word} without an own quota` : name);
const who = (e: Entity) => [e.user !== undefined && named('user', e.user), e.client_id !== undefined && named('client id', e.client_id), e.ip !== undefined && named('address', e.ip)].filter(Boolean).join(', ');
const what = (e: Entity) => (e.ip !== undefined ? 'address' : e.user !== undefined ? (e.client_id !== undefined ? 'client id of a user' : 'user') : 'client id');

function Edit({ c, row, onClose, done }: { c: Cluster; row?: Row; onClose: () => void; done: () => void }) {
  const [kind, setKind] = useState<Kind>(row ? kindOf(row.entity) : 'user');
  const [entity, setEntity] = useState<Entity>(row?.entity || {});
  const [values, setValues] = useState<Record<string, string>>(Object.fromEntries(Object.entries(row?.quotas || {}).map(([k, v]) => [k, String(v)])));
  const parts = kind.split(' ') as (keyof Entity)[];
  const rows = limits.filter(l => l[3] === (kind === 'ip'));
  const set = rows.filter(l => values[l[0]]);
  const submit = async () => {
    await call('PUT', `/leat/v1/clusters/${c.id}/kafka-quotas`, {
      entity: Object.fromEntries(parts.map(p => [p, entity[p] ?? ''])), quotas: Object.fromEntries(set.map(l => [l[0], Number(values[l[0]])])) });
    toast('The quota holds from now on.');
    done();
  };
  const word = (p: keyof Entity) => (p === 'user' ? 'User' : p === 'client_id' ? 'Client id' : 'Address');
  const help = (p: keyof Entity) => (p === 'user' ? 'The name without User:, like sa-… or a SCRAM user.' : p === 'client_id' ? 'As clients say it: client.id.' : 'IPv4 or IPv6.');
  return (
    <FormOverlay title={row ? `Quota of ${who(row.entity)}` : 'New Kafka quota'} action={row ? 'Save' : 'Set quota'} onClose={onClose} submit={submit} disabled={!set.length || parts.some(p => !entity[p])}>
      {!row && <>
        <Field label="For">{(id, d) => <select id={id} aria-describedby={d} class="in" value={kind} onChange={e => { setKind(e.currentTarget.value as Kind); setEntity({}); }}>{kinds.map(([k, w]) => <option value={k}>{w}</option>)}</select>}</Field>
        {parts.map(p => <Field key={p} label={word(p)} help={help(p)}>{(id, d) => <>
          <input id={id} aria-describedby={d} class="in mono" spellcheck={false} disabled={entity[p] === DEFAULT} value={entity[p] === DEFAULT ? '' : entity[p] || ''} onInput={e => setEntity({ ...entity, [p]: e.currentTarget.value })} />
          <label class="check"><input type="checkbox" checked={entity[p] === DEFAULT} onChange={e => setEntity({ ...entity, [p]: e.currentTarget.checked ? DEFAULT : '' })} />Every one without an own quota</label>
        </>}</Field>)}
      </>}
      {rows.map(([k, label, text]) => <Field key={`${kind}/${k}`} label={label} help={text}>{(id, d) => bytes(k)
        ? <Pick id={id} describe={d} value={values[k] || ''} units={RATE_UNITS} onChange={v => setValues({ ...values, [k]: v })} placeholder="no limit" />
        : <input id={id} aria-describedby={d} class="in" inputMode="decimal" placeholder="no limit" value={values[k] || ''} onInput={e => setValues({ ...values, [k]: e.currentTarget.value.trim() })} />}</Field>)}
    </FormOverlay>
  );
}

function Limit({ k, row }: { k: string; row: Row }) {
  const n = row.quotas[k];
  const use = row.use?.[uses[k]] ?? null;
  const label = limits.find(l => l[0] === k)![1];
  const now = (v: number) => (bytes(k) ? rate(v) : k === 'request_percentage' ? `${fine(v)} %` : `${fine(v)} a second`);
  const each = Object.values(row.entity).includes(DEFAULT); // it stands for many, each with the whole of it
  if (use === null || each) return <div>{label} <span class="num">{shown(k, n)}</span>{each && <> each{use !== null && <small>{now(use)} by all of them</small>}</>}</div>;
  return <div>{label}<Gauge label={label} use={use} limit={n} show={now} bound={v => shown(k, v)} percent /></div>;
}

export function KafkaQuotas({ c }: { c: Cluster }) {
  const list = useGet<Row[]>(`/leat/v1/clusters/${c.id}/kafka-quotas`, 2000, all);
  const [editing, edit] = useState<Row | true | null>(null);
  const rows = (list.value || []).filter(r => !r.client_quota_id); // the others stand above, by their principal
  const remove = async (r: Row) => { try { await call('DELETE', `/leat/v1/clusters/${c.id}/kafka-quotas?${keyOf(r.entity)}`); toast('The quota is gone.'); list.reload(); } catch (e) { toast((e as Error).message); } };
  const button = <Button icon="plus" onClick={() => edit(true)}>New Kafka quota</Button>;
  return (
    <>
      {editing && <Edit c={c} row={editing === true ? undefined : editing} onClose={() => edit(null)} done={list.reload} />}
      <Section title="By user, client id and address" note="as Kafka's own tools set them" side={rows.length ? button : undefined}>
        {list.error && <Banner>{list.error}</Banner>}
        {!list.value ? (!list.error && <Skeleton rows={2} />) : rows.length === 0 ? <Empty title="No Kafka quota">For what a principal's quota cannot say: client ids, addresses, time of requests, changes of topics.<br />{button}</Empty> :
          <Table label="Kafka quotas" rows={rows} rowKey={r => keyOf(r.entity)} columns={[
            { title: 'Who', cell: r => <>{who(r.entity)}<small>{what(r.entity)}</small></> },
            { title: 'Limit', cell: r => Object.keys(r.quotas).map(k => <Limit k={k} row={r} />) },
            { title: 'Slowed', num: true, cell: r => r.use ? <Held use={r.use} since={r.use.throttle_ms} /> : <span class="quiet-ink" title="It was not used since its broker started">–</span> },
            { title: '', num: true, cell: r => <><Button kind="small" icon="pencil" onClick={() => edit(r)}>Edit</Button> <Button kind="small" onClick={() => remove(r)}>Remove</Button></> },
          ]} />}
      </Section>
    </>
  );
}
