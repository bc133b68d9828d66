// The topics of a cluster; filter, order and page are the server's work and live in the URL.
import { useState } from 'preact/hooks';
import { post, useGet } from '../api';
import { ago, count, plural, retention } from '../format';
import { go, seg, setQuery } from '../router';
import type { Cluster, Topic } from '../types';
import { Banner, Button, Bytes, Empty, Field, FormOverlay, Head, Pick, Rate, SIZE_UNITS, Skeleton, Table, TIME_UNITS, toast } from '../ui';

const PAGE = 50;

export function CreateTopic({ c, onClose }: { c: Cluster; onClose: () => void }) {
  const [name, setName] = useState('');
  const [partitions, setPartitions] = useState('');
  const [time, setTime] = useState('');
  const [size, setSize] = useState('');
  const [policy, setPolicy] = useState('');
  const bad = name && !/^[a-zA-Z0-9._-]{1,249}$/.test(name) ? 'Letters, digits, dot, underscore and hyphen; at most 249.' : '';
  const left = c.limits.partitions > 0 ? c.limits.partitions - c.use.partitions : Infinity;
  const submit = async () => {
    const configs: { name: string; value: string }[] = [];
    if (time) configs.push({ name: 'retention.ms', value: time });
    if (size) configs.push({ name: 'retention.bytes', value: size });
    if (policy) configs.push({ name: 'cleanup.policy', value: policy });
    await post(`/kafka/v3/clusters/${c.id}/topics`, { topic_name: name, ...(partitions ? { partitions_count: Number(partitions) } : {}), configs });
    toast(`Topic ${name} is ready.`);
    go(`/clusters/${c.id}/topics/${seg(name)}`);
  };
  return (
    <FormOverlay title="Create topic" action="Create topic" onClose={onClose} submit={submit} disabled={!name || !!bad}>
      <Field label="Name" error={bad} help="What producers and consumers call it. It cannot be changed.">{(id, d) => <input id={id} aria-describedby={d} class="in" value={name} autofocus autocomplete="off" spellcheck={false} placeholder="orders" onInput={e => setName(e.currentTarget.value)} />}</Field>
      <Field label="Partitions" help={`How many consumers of a group can share the work. ${left === Infinity ? '' : `${count(left)} are left in this plan.`}`}>{(id, d) => <input id={id} aria-describedby={d} class="in" inputMode="numeric" value={partitions} placeholder="6" onInput={e => setPartitions(e.currentTarget.value.replace(/\D/g, ''))} />}</Field>
      <Field label="Keep records for" help="Older ones are deleted. Empty: 7 days.">{(id, d) => <Pick id={id} describe={d} value={time} units={TIME_UNITS} start={2} onChange={setTime} placeholder="7" />}</Field>
      <Field label="Keep at most, per partition" help="The oldest go first. Empty: no limit by size.">{(id, d) => <Pick id={id} describe={d} value={size} units={SIZE_UNITS} onChange={setSize} placeholder="no limit" />}</Field>
      <Field label="Cleanup" help="Delete by age and size, keep the last record of each key, or both.">{(id, d) => <select id={id} aria-describedby={d} class="in" value={policy} onChange={e => setPolicy(e.currentTarget.value)}><option value="">delete (default)</option><option value="compact">compact</option><option value="compact,delete">compact and delete</option></select>}</Field>
      <p class="help">Records are kept once, on this machine. acks=all is answered when they are on disk.</p>
    </FormOverlay>
  );
}

export function Topics({ c, query }: { c: Cluster; query: URLSearchParams }) {
  const find = query.get('find') || '';
  const sort = query.get('sort') || 'name';
  const internal = query.get('internal') || '';
  const after = query.get('after') || '';
  const [making, make] = useState(false);
  const desc = sort.startsWith('-');
  const path = `/leat/v1/clusters/${c.id}/topics?page_size=${PAGE}&sort=${sort.replace('-', '')}&order=${desc ? 'desc' : 'asc'}`
    + (find ? `&filter=${seg(find)}` : '') + (internal ? '&internal=true' : '') + (after ? `&page_token=${seg(after)}` : '');
  const list = useGet<{ data: Topic[]; metadata: { total_size: number; next: string | null } }>(path, 3000);
  const rows = list.value?.data || [];
  const next = list.value?.metadata?.next ? new URL(list.value.metadata.next, location.href).searchParams.get('page_token') : null;
  const total = list.value?.metadata?.total_size ?? rows.length;
  const behind = rows.filter(t => t.worst_group && t.worst_group.lag > 0).length;
  return (
    <>
      {making && <CreateTopic c={c} onClose={() => make(false)} />}
      <Head title="Topics" lead={list.value ? `${plural(total, 'topic')}${find ? ' match' : ''}, ${count(c.use.partitions)} partitions${c.limits.partitions > 0 ? ` of ${count(c.limits.partitions)}` : ''}.${behind ? ` ${plural(behind, 'topic has', 'topics have')} a group that is behind.` : ''}` : ' '}
        actions={<Button kind="primary" icon="plus" onClick={() => make(true)}>Create topic</Button>} />
      {list.error && <Banner>{list.error}</Banner>}
      <div class="bar">
        <input class="in find" type="search" placeholder="Filter topics" aria-label="Filter topics" value={find} onInput={e => setQuery({ find: e.currentTarget.value, after: null })} />
        <label class="check"><input type="checkbox" checked={!!internal} onChange={e => setQuery({ internal: e.currentTarget.checked ? '1' : null })} />Show internal topics</label>
      </div>
      {!list.value ? (!list.error && <Skeleton />) : rows.length === 0 ? (
        <Empty title={find ? `No topic matches ${find}` : 'No topic yet'}>{find ? <Button onClick={() => setQuery({ find: null })}>Show all</Button> : <>A topic is where producers write and consumers read.<br /><Button kind="primary" icon="plus" onClick={() => make(true)}>Create topic</Button></>}</Empty>
      ) : (
        <Table label="Topics" rows={rows} rowKey={t => t.topic_name} sort={sort} onSort={s => setQuery({ sort: s, after: null })} columns={[
          { title: 'Topic', sort: 'name', cell: t => <><a class="name" href={`/clusters/${c.id}/topics/${seg(t.topic_name)}`}>{t.topic_name}</a>{t.is_internal && <> <span class="badge">internal</span></>}</> },
          { title: 'Partitions', num: true, sort: 'partitions', cell: t => count(t.partitions_count) },
          { title: 'Records', num: true, sort: 'records', cell: t => count(t.records) },
          { title: 'Size', num: true, sort: 'bytes', narrow: 'p2', cell: t => <Bytes n={t.bytes_stored} /> },
          { title: 'Kept for', num: true, narrow: 'p3', cell: t => t.cleanup_policy === 'compact' ? 'last of each key' : retention(t.retention_ms) },
          { title: 'In', num: true, sort: 'in', cell: t => <Rate n={t.in_per_s} /> },
          { title: 'Last record', num: true, narrow: 'p3', cell: t => t.last_record_at ? ago(t.last_record_at) : '–' },
          { title: 'Groups', cell: t => t.worst_group && t.worst_group.lag > 0 ? <><span class="badge warn">{t.worst_group.group} {count(t.worst_group.lag)}</span>{t.group_count > 1 && <span class="unit"> and {t.group_count - 1} more</span>}</> : t.group_count ? <span class="quiet-ink">{t.group_count} in step</span> : <span class="quiet-ink">none</span> },
        ]} />
      )}
      {(after || next) && <div class="bar">{after && <Button icon="back" onClick={() => history.back()}>Back</Button>}{next && <Button onClick={() => { const q = new URLSearchParams(location.search); q.set('after', next); go(`${location.pathname}?${q}`); }}>Next {PAGE}</Button>}</div>}
    </>
  );
}
