// Plans: named sets of limits that clusters are made with.
import { useState } from 'preact/hooks';
import { all, call, patch, post, useGet } from '../api';
import { bytes, count, plural, rateLimit, retention } from '../format';
import { seg } from '../router';
import { Banner, Button, DeleteOverlay, Field, FormOverlay, Head, Section, Skeleton, Table, toast } from '../ui';
import { Amount, type Plan } from './limits';

// What a form asks for, in the order of the table.
const FIELDS: [string, string, string][] = [
  ['ingress_bytes_per_s', 'Bytes produced a second', 'bytes/s'], ['egress_bytes_per_s', 'Bytes consumed a second', 'bytes/s'], ['storage_bytes', 'Bytes kept', 'bytes'],
  ['retention_ms', 'Longest retention of a topic', 'ms'], ['partitions', 'Partitions', 'partitions'], ['connections', 'Open connections', 'connections'],
  ['connections_per_s', 'New connections a second', 'connections/s'], ['requests_per_s', 'Requests a second', 'requests/s'], ['message_bytes', 'Largest batch of records', 'bytes'],
  ['memory_bytes', 'Memory for requests under way', 'bytes'], ['lifetime_ms', 'Time until a cluster is paused for good', 'ms'],
];

function EditPlan({ plan, plans, onClose, done }: { plan?: Plan; plans: Plan[]; onClose: () => void; done: () => void }) {
  const [name, setName] = useState(plan?.name || '');
  const [from, setFrom] = useState('standard');
  const base = plan || plans.find(p => p.name === from) || plans[0];
  const [changed, setChanged] = useState<Record<string, string>>({});
  const value = (key: string) => changed[key] ?? (base.limits[key] >= 0 ? String(base.limits[key]) : '');
  const submit = async () => {
    const limits: Record<string, number> = {};
    for (const [key, text] of Object.entries(changed)) limits[key] = text === '' ? -1 : Number(text);
    if (plan) await patch(`/leat/v1/plans/${seg(plan.name)}`, { limits });
    else await post('/leat/v1/plans', { name, from: base.name, limits });
    toast(plan ? `${plural(plan.clusters, 'cluster')} of ${plan.name} ${plan.clusters === 1 ? 'has' : 'have'} the new limits.` : `Plan ${name} can be chosen from now on.`);
    done();
  };
  return (
    <FormOverlay title={plan ? `Plan ${plan.name}` : 'New plan'} action={plan ? 'Save plan' : 'Create plan'} onClose={onClose} submit={submit} wide disabled={!plan && !name.trim()}>
      {!plan && <Field label="Name" help="Lower case; shown wherever a plan is chosen.">{(id, d) => <input id={id} aria-describedby={d} class="in" value={name} autofocus spellcheck={false} placeholder="team-small" onInput={e => setName(e.currentTarget.value)} />}</Field>}
      {!plan && <Field label="Begin with" help="Its limits, changed below.">{(id, d) => <select id={id} aria-describedby={d} class="in" value={from} onChange={e => { setFrom(e.currentTarget.value); setChanged({}); }}>{plans.map(p => <option value={p.name}>{p.name}</option>)}</select>}</Field>}
      {plan && plan.clusters > 0 && <Banner kind="info">{plural(plan.clusters, 'cluster has', 'clusters have')} this plan: a change holds for {plan.clusters === 1 ? 'it' : 'them'} at once, except where a cluster has a limit of its own.</Banner>}
      {FIELDS.map(([key, word, unit]) => <Field key={`${base.name} ${key}`} label={word}>{(id, d) => <Amount id={id} describe={d} unit={unit} value={value(key)} onChange={v => setChanged({ ...changed, [key]: v })} placeholder="no limit" />}</Field>)}
    </FormOverlay>
  );
}

export function Plans() {
  const list = useGet<Plan[]>('/leat/v1/plans', 0, all);
  const [open, show] = useState<Plan | 'new' | null>(null);
  const [leaving, leave] = useState<Plan | null>(null);
  const rows = list.value || [];
  const limit = (n: number, as: (n: number) => string) => (n < 0 ? <span class="quiet-ink">no limit</span> : as(n));
  const remove = async (p: Plan) => { await call('DELETE', `/leat/v1/plans/${seg(p.name)}`); toast(`Plan ${p.name} is gone.`); list.reload(); };
  return (
    <>
      {open && rows.length > 0 && <EditPlan plan={open === 'new' ? undefined : open} plans={rows} onClose={() => show(null)} done={list.reload} />}
      {leaving && <DeleteOverlay what="plan" name={leaving.name} lost={['nobody can choose it any more; no cluster has it now']} onClose={() => leave(null)} submit={() => remove(leaving)} />}
      <Head title="Plans" lead="What a cluster may use at most. Every limit is held by its broker; a cluster may have limits of its own beside its plan." actions={<Button kind="primary" icon="plus" onClick={() => show('new')}>New plan</Button>} />
      {list.error && <Banner>{list.error}</Banner>}
      <Section title="All plans" note="a change holds at once for every cluster of the plan">
        {!list.value ? (!list.error && <Skeleton />) : <Table label="Plans" rows={rows} rowKey={p => p.name} columns={[
          { title: 'Plan', cell: p => <>{p.name}<small>{p.preset ? 'comes with Leat' : 'made here'}</small></> },
          { title: 'Clusters', num: true, cell: p => count(p.clusters) },
          { title: 'In', num: true, cell: p => limit(p.limits.ingress_bytes_per_s, rateLimit) },
          { title: 'Out', num: true, cell: p => limit(p.limits.egress_bytes_per_s, rateLimit) },
          { title: 'Storage', num: true, cell: p => limit(p.limits.storage_bytes, bytes) },
          { title: 'Retention', num: true, narrow: 'p3', cell: p => limit(p.limits.retention_ms, retention) },
          { title: 'Partitions', num: true, narrow: 'p2', cell: p => limit(p.limits.partitions, count) },
          { title: 'Connections', num: true, narrow: 'p3', cell: p => limit(p.limits.connections, count) },
          { title: '', num: true, cell: p => <><Button kind="small" icon="pencil" aria-label={`Change ${p.name}`} onClick={() => show(p)}>Change</Button>{!p.preset && p.clusters === 0 && <> <Button kind="small" icon="trash" aria-label={`Delete ${p.name}`} onClick={() => leave(p)}>Delete</Button></>}</> },
        ]} />}
      </Section>
    </>
  );
}
