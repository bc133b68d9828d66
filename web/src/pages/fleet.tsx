// Every cluster in one table: what runs, what is first to go wrong.
import { useMemo, useState } from 'preact/hooks';
import { all, patch, post, useGet } from '../api';
import { Spark } from '../charts';
import { bytes, count, plural, rateLimit, rateParts } from '../format';
import { flows, sample, samples } from '../live';
import { go, setQuery, useLocation } from '../router';
import type { Cluster, Limits } from '../types';
import { Banner, Button, Empty, Field, FormOverlay, Gauge, Head, Rate, Skeleton, State, Strip, Table, Tag, tagWord, toast } from '../ui';

type Plan = { name: string; limits: Limits };
const kinds: Record<string, string> = { basic: 'Basic', standard: 'Standard', dedicated: 'Dedicated' };
const limit = (n: number, show: (n: number) => string) => (n < 0 ? 'no limit' : show(n));

export function CreateCluster({ onClose }: { onClose: () => void }) {
  const plans = useGet<{ data: Plan[] }>('/leat/v1/plans');
  const envs = useGet<any[]>('/org/v2/environments', 0, all);
  const [name, setName] = useState('');
  const [plan, setPlan] = useState('basic');
  const [tag, setTag] = useState('test');
  const [env, setEnv] = useState('');
  const [fresh, setFresh] = useState('');
  const chosen = env || envs.value?.[0]?.id || 'new';
  const submit = async () => {
    let id = chosen;
    if (id === 'new') id = (await post('/org/v2/environments', { display_name: fresh || 'default' })).id;
    const made = await post('/cmk/v2/clusters', { spec: {
      display_name: name, availability: 'SINGLE_ZONE', cloud: 'leat', region: 'local',
      config: plan === 'dedicated' ? { kind: 'Dedicated', cku: 1 } : { kind: kinds[plan] || 'Basic' }, environment: { id },
    } });
    if (tag !== 'test' || !kinds[plan]) await patch(`/leat/v1/clusters/${made.id}`, { tag, ...(kinds[plan] ? {} : { plan }) });
    toast(`Cluster ${name} is being started.`);
    go(`/clusters/${made.id}`);
  };
  return (
    <FormOverlay title="New cluster" action="Create cluster" onClose={onClose} submit={submit} disabled={!name.trim()}>
      <Field label="Name" help="Shown everywhere; it need not be unique beyond its environment.">{(id, d) => <input id={id} aria-describedby={d} class="in" value={name} onInput={e => setName(e.currentTarget.value)} placeholder="orders" autofocus />}</Field>
      <Field label="Environment" help="The tenant that owns it.">{(id, d) => <select id={id} aria-describedby={d} class="in" value={chosen} onChange={e => setEnv(e.currentTarget.value)}>{envs.value?.map(e => <option value={e.id}>{e.display_name}</option>)}<option value="new">A new environment…</option></select>}</Field>
      {chosen === 'new' && <Field label="Name of the environment">{(id, d) => <input id={id} aria-describedby={d} class="in" value={fresh} onInput={e => setFresh(e.currentTarget.value)} placeholder="default" />}</Field>}
      <Field label="Plan" help="What the cluster may use at most. It can be changed later.">
        {(_id, d) => <div class="choices plans" role="radiogroup" aria-label="Plan" aria-describedby={d}>{(plans.value?.data || []).map(p => (
          <label class="choice"><input type="radio" name="plan" checked={plan === p.name} onChange={() => setPlan(p.name)} /><b>{p.name}</b>
            <dl><dt>In</dt><dd>{limit(p.limits.ingress_bytes_per_s, rateLimit)}</dd><dt>Out</dt><dd>{limit(p.limits.egress_bytes_per_s, rateLimit)}</dd><dt>Storage</dt><dd>{limit(p.limits.storage_bytes, bytes)}</dd><dt>Partitions</dt><dd>{limit(p.limits.partitions, count)}</dd><dt>Connections</dt><dd>{limit(p.limits.connections, count)}</dd></dl></label>))}</div>}
      </Field>
      <Field label="Tag" help="A colour and a word on every page of it, so that production is never mistaken for test.">
        {(_id, d) => <div class="choices" role="radiogroup" aria-label="Tag" aria-describedby={d}>{['test', 'staging', 'production'].map(t => <label class="choice"><input type="radio" name="tag" checked={tag === t} onChange={() => setTag(t)} /><Tag tag={t} /></label>)}</div>}
      </Field>
    </FormOverlay>
  );
}

function lead(rows: Cluster[]): string {
  const ill = rows.filter(c => c.state.name !== 'running');
  const refusing = rows.filter(c => c.storage.state !== 'open');
  const full = rows.filter(c => c.limits.storage_bytes > 0 && c.use.storage_bytes / c.limits.storage_bytes > 0.9);
  const start = `${plural(rows.length, 'cluster')} on this machine`;
  if (ill.length) return `${start}. ${plural(ill.length, 'is', 'are')} not running: ${ill.map(c => c.display_name).slice(0, 3).join(', ')}.`;
  if (refusing.length) return `${start}, all running. ${plural(refusing.length, 'takes', 'take')} no records: ${refusing.map(c => c.display_name).slice(0, 3).join(', ')}.`;
  if (full.length) return `${start}, all running. ${full[0].display_name} is nearly out of storage.`;
  return `${start}, all running.`;
}

export function Fleet() {
  const { query } = useLocation();
  const list = useGet<Cluster[]>('/leat/v1/clusters', 2000, all);
  const [making, make] = useState(false);
  const rows = list.value || [];
  useMemo(() => { for (const c of rows) sample(c.id, Date.now(), flows(c)); }, [list.value]);
  const find = (query.get('find') || '').toLowerCase();
  const shown = rows.filter(c => !find || `${c.display_name} ${c.id} ${c.environment.display_name} ${tagWord(c.tag)}`.toLowerCase().includes(find));
  const sum = (f: (c: Cluster) => number) => rows.reduce((s, c) => s + f(c), 0);
  const worst = rows.filter(c => c.worst_lag).sort((a, b) => b.worst_lag!.lag - a.worst_lag!.lag)[0];
  const [inN, inU] = rateParts(sum(c => c.use.ingress_bytes_per_s));
  const [outN, outU] = rateParts(sum(c => c.use.egress_bytes_per_s));
  return (
    <>
      {making && <CreateCluster onClose={() => make(false)} />}
      <Head title="Clusters" lead={list.value ? lead(rows) : ' '} actions={<Button kind="primary" icon="plus" onClick={() => make(true)}>New cluster</Button>} />
      {list.error && <Banner>{list.error}</Banner>}
      {!list.value ? (!list.error && <Skeleton />) : rows.length === 0 ? (
        <Empty title="No cluster yet">A cluster is a Kafka broker of its own, ready in under a second.<br /><Button kind="primary" icon="plus" onClick={() => make(true)}>New cluster</Button></Empty>
      ) : <>
        <Strip items={[
          { label: 'Clusters running', value: <>{rows.filter(c => c.state.name === 'running').length} <span class="unit">of {rows.length}</span></>, note: plural(sum(c => c.use.topics), 'topic') },
          { label: 'In', value: <>{inN} <span class="unit">{inU}</span></>, note: `${count(sum(c => c.use.records_in_per_s))} records/s` },
          { label: 'Out', value: <>{outN} <span class="unit">{outU}</span></>, note: `${count(sum(c => c.use.records_out_per_s))} records/s` },
          { label: 'Storage', value: bytes(sum(c => c.use.storage_bytes)), note: 'every record once' },
          { label: 'Broker memory', value: bytes(sum(c => c.use.memory_bytes)), note: plural(rows.length, 'process', 'processes') },
          { label: 'Worst lag', value: worst ? count(worst.worst_lag!.lag) : '–', note: worst ? worst.worst_lag!.group : 'none known' },
        ]} />
        <div class="bar"><input class="in find" type="search" placeholder="Filter clusters" aria-label="Filter clusters" value={query.get('find') || ''} onInput={e => setQuery({ find: e.currentTarget.value })} /></div>
        <Table label="Clusters" rows={shown} rowKey={c => c.id} rowClass={c => `tagged ${tagWord(c.tag)}`} columns={[
          { title: 'Cluster', cell: c => <><a class="name" href={`/clusters/${c.id}`}>{c.display_name}</a><small><Tag tag={c.tag} /></small></> },
          { title: 'State', cell: c => <State name={c.state.name} reason={c.state.reason} /> },
          { title: 'Environment', narrow: 'p3', cell: c => c.environment.display_name },
          { title: 'Plan', narrow: 'p3', cell: c => c.plan },
          { title: 'Topics', num: true, narrow: 'p2', cell: c => count(c.use.topics) },
          { title: 'In', narrow: 'p3', cell: c => <Spark samples={samples(c.id)} /> },
          { title: 'Now', num: true, cell: c => <><Rate n={c.use.ingress_bytes_per_s} /> in<small><Rate n={c.use.egress_bytes_per_s} /> out</small></> },
          { title: 'Storage', num: true, narrow: 'p2', cell: c => <Gauge label={`Storage of ${c.display_name}`} use={c.use.storage_bytes} limit={c.limits.storage_bytes} show={bytes} idle={c.state.name !== 'running'} /> },
          { title: 'Worst lag', num: true, cell: c => c.worst_lag ? <>{count(c.worst_lag.lag)}<small>{c.worst_lag.group}</small></> : '–' },
        ]} />
      </>}
    </>
  );
}
