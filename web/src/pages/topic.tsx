// One topic: partitions, messages, groups, configuration.
import { useMemo, useState } from 'preact/hooks';
import { all, call, post, useGet } from '../api';
import { ago, bytes, count, plural, retention } from '../format';
import { sample, samples } from '../live';
import { InAndOut, OverTime } from '../over_time';
import { go, seg } from '../router';
import type { Cluster, Group, Topic } from '../types';
import { Banner, Button, Bytes, DeleteOverlay, Empty, Field, FormOverlay, Head, Pick, Section, SIZE_UNITS, Skeleton, Table, Tabs, TIME_UNITS, toast } from '../ui';
import { Age } from './groups';
import { Messages } from './messages';
import { TopicClients } from './topic_clients';

type Config = { name: string; value: string | null; is_default: boolean; source: string; synonyms?: { name: string; value: string | null; source: string }[] };

function Partitions({ c, t, query }: { c: Cluster; t: Topic; query: URLSearchParams }) {
  const key = `${c.id}/${t.topic_name}`;
  useMemo(() => sample(key, Date.now(), [t.in_per_s, t.out_per_s]), [t]);
  return (
    <>
      <InAndOut cluster={c.id} only={`&topic=${seg(t.topic_name)}`} query={query} samples={samples(key)} height={180} all={`/clusters/${c.id}/topics/${seg(t.topic_name)}?tab=metrics`} />
      <Section title="Partitions" note="kept once, on this machine">
        <Table label="Partitions" rows={t.partitions || []} rowKey={p => String(p.partition_id)} columns={[
          { title: 'Partition', cell: p => <span class="num">{p.partition_id}</span> },
          { title: 'Leader', cell: p => <span class="num">{p.leader}</span> },
          { title: 'First offset', num: true, cell: p => <span class="mono">{count(p.start_offset)}</span> },
          { title: 'Next offset', num: true, cell: p => <span class="mono">{count(p.end_offset)}</span> },
          { title: 'Records', num: true, cell: p => count(p.end_offset - p.start_offset) },
          { title: 'Size', num: true, cell: p => <Bytes n={p.bytes} /> },
        ]} />
      </Section>
    </>
  );
}

function TopicGroups({ c, name }: { c: Cluster; name: string }) {
  const groups = useGet<Group[]>(c.state.name === 'running' ? `/leat/v1/clusters/${c.id}/groups` : null, 3000, all);
  const here = (g: Group) => g.topic_lags.find(t => t.topic === name)!;
  const rows = (groups.value || []).filter(g => g.topics.includes(name)).sort((a, b) => here(b).lag - here(a).lag || a.group_id.localeCompare(b.group_id));
  if (!groups.value) return groups.error ? <Banner>{groups.error}</Banner> : <Skeleton />;
  if (!rows.length) return <Empty title="No group reads this topic">A consumer group shows here once it has committed an offset.</Empty>;
  return <Table label="Groups" rows={rows} rowKey={g => g.group_id} columns={[
    { title: 'Group', cell: g => <a class="name" href={`/clusters/${c.id}/groups/${seg(g.group_id)}`}>{g.group_id}</a> },
    { title: 'State', cell: g => g.state.toLowerCase().replace(/_/g, ' ') },
    { title: 'Records behind', num: true, cell: g => count(here(g).lag) },
    { title: 'Time lag', num: true, cell: g => <Age ms={here(g).time_lag_ms} /> },
  ]} />;
}

const unitsOf = (name: string): [string, number][] | null => name.endsWith('.ms') ? TIME_UNITS : name.endsWith('.bytes') && name !== 'index.interval.bytes' ? SIZE_UNITS : null;
const human = (f: Config) => {
  const n = Number(f.value);
  if (f.value === null || f.value === '' || isNaN(n)) return '';
  if (n === -2) return 'as retention';
  if (n < 0) return f.name.includes('retention') ? 'no limit' : '';
  if (n > 9e15) return 'never';
  return f.name.endsWith('.ms') ? retention(n) : f.name.endsWith('.bytes') ? bytes(n) : '';
};

function EditConfig({ base, f, done }: { base: string; f: Config; done: () => void }) {
  const [value, set] = useState(f.value || '');
  const [error, setError] = useState('');
  const units = unitsOf(f.name);
  const save = async (operation: 'SET' | 'DELETE') => {
    try {
      await post(`${base}:alter`, { data: [{ name: f.name, ...(operation === 'SET' ? { value } : {}), operation }] });
      toast(`${f.name} is ${operation === 'SET' ? 'set' : 'back to its default'}.`);
      done();
    } catch (e) { setError((e as Error).message); }
  };
  return (
    <tr class="edit-row"><td colSpan={4}><div class="edit">
      <Field label={f.name} error={error} help={`It was ${f.value || 'empty'}. The change holds at once.`}>
        {(id, d) => units && Number(value || 0) >= 0 && Number(value || 0) < 9e15
          ? <Pick id={id} describe={d} value={value} units={units} onChange={set} />
          : <input id={id} aria-describedby={d} class="in mono" value={value} onInput={e => set(e.currentTarget.value)} />}
      </Field>
      <Button kind="primary" onClick={() => save('SET')}>Save</Button>
      {!f.is_default && <Button onClick={() => save('DELETE')}>Use the default</Button>}
      <Button onClick={done}>Cancel</Button>
    </div></td></tr>
  );
}

function Configuration({ c, name, query }: { c: Cluster; name: string; query: URLSearchParams }) {
  const base = `/kafka/v3/clusters/${c.id}/topics/${seg(name)}/configs`;
  const list = useGet<{ data: Config[] }>(base);
  const [editing, edit] = useState('');
  const modified = query.get('show') === 'modified';
  const rows = (list.value?.data || []).filter(f => !modified || !f.is_default);
  if (!list.value) return list.error ? <Banner>{list.error}</Banner> : <Skeleton rows={8} />;
  const done = () => { edit(''); list.reload(); };
  const here = `/clusters/${c.id}/topics/${seg(name)}?tab=configuration`;
  return (
    <>
      <div class="bar"><a class={`btn small ${modified ? '' : 'on'}`} href={here}>All</a><a class={`btn small ${modified ? 'on' : ''}`} href={`${here}&show=modified`}>Modified</a></div>
      {rows.length === 0 ? <Empty title="Every config has its default">Change one under All.</Empty> :
        <Table label="Configuration" rows={rows} rowKey={f => f.name} rowClass={f => (f.name === editing ? 'open' : '')}
          after={f => f.name === editing && <EditConfig base={base} f={f} done={done} />} columns={[
          { title: 'Config', cell: f => <span class="mono">{f.name}</span> },
          { title: 'Value', cell: f => <><span class="mono">{f.value === null || f.value === '' ? '(empty)' : f.value}</span> <span class="unit">{human(f)}</span></> },
          { title: 'Source', cell: f => f.is_default ? <span class="quiet-ink">default</span> : <span class="badge accent">set on this topic</span> },
          { title: '', num: true, cell: f => <Button kind="small" icon="pencil" aria-label={`Edit ${f.name}`} onClick={() => edit(f.name === editing ? '' : f.name)}>Edit</Button> },
        ]} />}
    </>
  );
}

function Produce({ c, name, onClose }: { c: Cluster; name: string; onClose: () => void }) {
  const [key, setKey] = useState('');
  const [value, setValue] = useState('{"hello": "world"}');
  const submit = async () => {
    const answer = await post(`/kafka/v3/clusters/${c.id}/topics/${seg(name)}/records`, { ...(key ? { key: { type: 'STRING', data: key } } : {}), value: { type: 'STRING', data: value } });
    if (answer.error_code !== 200) throw new Error(answer.message);
    toast(`Written to partition ${answer.partition_id} at offset ${count(answer.offset)}.`);
  };
  return (
    <FormOverlay title={`Produce to ${name}`} action="Produce" onClose={onClose} submit={submit}>
      <Field label="Key" help="Records of one key go to one partition. May be empty.">{(id, d) => <input id={id} aria-describedby={d} class="in mono" value={key} onInput={e => setKey(e.currentTarget.value)} />}</Field>
      <Field label="Value" help="Text, written as it stands.">{(id, d) => <textarea id={id} aria-describedby={d} class="in mono" rows={10} value={value} onInput={e => setValue(e.currentTarget.value)} />}</Field>
    </FormOverlay>
  );
}

function AddPartitions({ c, t, onClose }: { c: Cluster; t: Topic; onClose: () => void }) {
  const [n, set] = useState(String(t.partitions_count + 1));
  return (
    <FormOverlay title="Add partitions" action="Add partitions" drawer={false} onClose={onClose}
      submit={async () => { await call('PATCH', `/kafka/v3/clusters/${c.id}/topics/${seg(t.topic_name)}`, { partitions_count: Number(n) }); toast('Partitions are added.'); }}>
      <Field label="Partitions" help={`Now ${t.partitions_count}. They cannot be taken away again, and keys may move to other partitions.`}>{(id, d) => <input id={id} aria-describedby={d} class="in" inputMode="numeric" value={n} onInput={e => set(e.currentTarget.value.replace(/\D/g, ''))} />}</Field>
    </FormOverlay>
  );
}

export function TopicPage({ c, name, query }: { c: Cluster; name: string; query: URLSearchParams }) {
  const topic = useGet<Topic>(`/leat/v1/clusters/${c.id}/topics/${seg(name)}`, 2000);
  const [open, show] = useState<'' | 'produce' | 'delete' | 'grow'>('');
  const tab = query.get('tab') || '';
  const t = topic.value;
  if (!t) return topic.error ? <Empty title={topic.error}><a href={`/clusters/${c.id}/topics`}>All topics</a></Empty> : <Skeleton />;
  const base = `/clusters/${c.id}/topics/${seg(name)}`;
  const kept = t.cleanup_policy === 'compact' ? 'the last record of each key is kept' : `kept for ${retention(t.retention_ms)}`;
  return (
    <>
      {open === 'produce' && <Produce c={c} name={name} onClose={() => show('')} />}
      {open === 'grow' && <AddPartitions c={c} t={t} onClose={() => { show(''); topic.reload(); }} />}
      {open === 'delete' && <DeleteOverlay what="topic" name={name} onClose={() => show('')}
        lost={[`${plural(t.records ?? 0, 'record')} in ${plural(t.partitions_count, 'partition')}, ${bytes(t.bytes_stored)}`, t.group_count ? `the offsets of ${plural(t.group_count, 'group')} in it` : 'no group reads it', 'its configuration']}
        submit={async () => { await call('DELETE', `/kafka/v3/clusters/${c.id}/topics/${seg(name)}`); toast(`Topic ${name} is deleted.`); go(`/clusters/${c.id}/topics`); }} />}
      <Head title={name} mono lead={`${plural(t.partitions_count, 'partition')}, ${t.records === null ? 'records unknown' : plural(t.records, 'record')} in ${bytes(t.bytes_stored)}, ${kept}. ${t.last_record_at ? `Last record ${ago(t.last_record_at)}.` : ''}`}
        actions={!t.is_internal && <><Button icon="trash" onClick={() => show('delete')}>Delete</Button><Button icon="plus" onClick={() => show('grow')}>Partitions</Button><Button kind="primary" icon="play" onClick={() => show('produce')}>Produce</Button></>} />
      <Tabs base={base} on={tab} tabs={[['', 'Overview'], ['metrics', 'Metrics'], ['messages', 'Messages'], ['groups', 'Groups', t.group_count], ['clients', 'Clients'], ['configuration', 'Configuration']]} />
      {tab === '' && <div class="stack"><Partitions c={c} t={t} query={query} /></div>}
      {tab === 'metrics' && <OverTime cluster={c.id} name={name} query={query} only={`&topic=${seg(name)}`} charts={['flow', 'records', 'lag', 'age', 'storage']}
        parts={[{ by: 'consumer_group_id', kind: 'lag', metric: 'consumer_lag_offsets', title: 'Groups by lag', note: 'records behind', column: 'Group', sum: 'At the end', show: count, link: g => `/clusters/${c.id}/groups/${seg(g)}` }]} />}
      {tab === 'messages' && <Messages c={c} t={t} query={query} />}
      {tab === 'groups' && <TopicGroups c={c} name={name} />}
      {tab === 'clients' && <TopicClients c={c} name={name} />}
      {tab === 'configuration' && <Configuration c={c} name={name} query={query} />}
    </>
  );
}
