// Backups: of all clusters or of one. Made while the cluster serves, restored as a cluster of its own or in its old place.
import { useEffect, useState } from 'preact/hooks';
import { all, del, post, useGet } from '../api';
import { ago, bytes, count, dateTime, duration, plural } from '../format';
import { useMay } from '../may';
import { go } from '../router';
import type { Cluster } from '../types';
import { Banner, Button, Bytes, DeleteOverlay, Empty, Field, FormOverlay, Head, Skeleton, Table, toast } from '../ui';

type Backup = { id: string; cluster_id: string; environment_id: string; display_name: string; description: string; created_at: string | null; bytes: number; files: number; format: number };
type Environment = { id: string; display_name: string };

// Makes one: the answer comes when it is there, so its form says how long it takes and a closed form tells it by a message.
function Make({ clusters, c, onClose, reload }: { clusters: Cluster[]; c?: Cluster; onClose: () => void; reload: () => void }) {
  const [of, choose] = useState(c?.id || clusters[0]?.id || '');
  const [description, describe] = useState('');
  const [began, begin] = useState(0);
  const [, turn] = useState(0);
  useEffect(() => {
    if (!began) return;
    const timer = setInterval(() => turn(t => t + 1), 500);
    return () => clearInterval(timer);
  }, [began]);
  const cluster = c || clusters.find(x => x.id === of);
  const submit = async () => {
    begin(Date.now());
    try {
      const made: Backup = await post(`/leat/v1/clusters/${of}/backups`, { description });
      toast(`${made.display_name} is backed up: ${plural(made.files, 'file')}, ${bytes(made.bytes)}.`);
      reload();
    } finally { begin(0); }
  };
  return (
    <FormOverlay title={c ? `Back up ${c.display_name}` : 'Back up a cluster'} action="Back up now" drawer={false} onClose={onClose} submit={submit} disabled={!of}>
      <ul class="steps"><li>clients notice nothing: what was acknowledged before it begins is in it</li><li>records are linked, not copied, and take room of their own once the cluster has dropped them</li><li>topics, records, offsets, ACLs, SCRAM users, quotas and keys are in it</li></ul>
      {!c && <Field label="Cluster">{(id, d) => <select id={id} aria-describedby={d} class="in" value={of} onChange={e => choose(e.currentTarget.value)}>{clusters.map(x => <option value={x.id}>{x.display_name} ({x.environment.display_name})</option>)}</select>}</Field>}
      <Field label="Description" help="What it is for; may be empty.">{(id, d) => <input id={id} aria-describedby={d} class="in" maxLength={512} value={description} onInput={e => describe(e.currentTarget.value)} />}</Field>
      {began > 0 && <p class="lead" role="status">{cluster?.display_name} is being backed up, for {duration(Date.now() - began)}. This may be closed; it goes on.</p>}
    </FormOverlay>
  );
}

function Restore({ b, clusters, environments, onClose }: { b: Backup; clusters: Cluster[]; environments: Environment[]; onClose: () => void }) {
  const there = clusters.find(c => c.id === b.cluster_id);
  const [own, setOwn] = useState(!there);
  const [name, setName] = useState(there ? `${b.display_name}-restored` : b.display_name);
  const [environment, setEnvironment] = useState(environments.some(e => e.id === b.environment_id) ? b.environment_id : environments[0]?.id || '');
  const [typed, type] = useState('');
  const submit = async () => {
    const made: { cluster_id: string } = await post(`/leat/v1/backups/${b.id}:restore`, { ...(own ? { cluster_id: b.cluster_id } : {}), display_name: name, environment: { id: environment } });
    toast(`${name} starts with what ${b.id} holds.`);
    go(`/clusters/${made.cluster_id}`);
  };
  return (
    <FormOverlay title={`Restore ${b.display_name}`} action="Restore" onClose={onClose} submit={submit} disabled={!name.trim() || !environment || (own && typed !== b.cluster_id)}>
      <p class="lead">As it was {b.created_at ? dateTime(b.created_at) : 'when it was made'}: {bytes(b.bytes)} in {plural(b.files, 'file')}. The backup stays.</p><br />
      <div class="field" role="radiogroup" aria-label="Which cluster it becomes">
        <label class="check"><input type="radio" name="as" checked={!own} onChange={() => setOwn(false)} /><span>A new cluster beside what there is<small class="help">A new id; clients get keys of their own.</small></span></label>
        <label class="check"><input type="radio" name="as" checked={own} disabled={!!there} onChange={() => setOwn(true)} /><span>The cluster it was, {b.cluster_id}<small class="help">{there ? `Not while ${there.display_name} is there: delete that first, or restore beside it.` : 'With its old id and its API keys: clients go on with what they have.'}</small></span></label>
      </div>
      <Field label="Name">{(id, d) => <input id={id} aria-describedby={d} class="in" value={name} onInput={e => setName(e.currentTarget.value)} />}</Field>
      <Field label="Environment">{(id, d) => <select id={id} aria-describedby={d} class="in" value={environment} onChange={e => setEnvironment(e.currentTarget.value)}>{environments.map(e => <option value={e.id}>{e.display_name}</option>)}</select>}</Field>
      {own && <><ul class="lost"><li>what was written after {b.created_at ? dateTime(b.created_at) : 'the backup'} is not in it: consumers may see offsets that end earlier</li><li>keys that were deleted since work again</li></ul>
        <Field label={`Type ${b.cluster_id} to bring it back`}>{(id, d) => <input id={id} aria-describedby={d} class="in mono" autocomplete="off" spellcheck={false} value={typed} onInput={e => type(e.currentTarget.value)} />}</Field></>}
    </FormOverlay>
  );
}

type Open = { kind: 'make' } | { kind: 'restore' | 'delete'; b: Backup } | null;

export function Backups({ c }: { c?: Cluster }) {
  const here = useMay(c);
  const everywhere = useMay();
  const known = here.known && everywhere.known;
  const [open, show] = useState<Open>(null);
  const list = useGet<Backup[]>(everywhere.may('cluster.operate') ? '/leat/v1/backups' : null, 5000, all);
  const clusters = useGet<Cluster[]>('/leat/v1/clusters', 10000, all);
  const environments = useGet<Environment[]>('/org/v2/environments', 0, all);
  const rows = (list.value || []).filter(b => !c || b.cluster_id === c.id).sort((a, b) => (b.created_at || '').localeCompare(a.created_at || ''));
  const make = here.may('cluster.operate') && (c || clusters.value?.length);
  const manage = everywhere.may('cluster.manage');
  const button = make ? <Button kind="primary" icon="plus" onClick={() => show({ kind: 'make' })}>Back up{c ? ' now' : ' a cluster'}</Button> : undefined;
  const gone = (b: Backup) => !!clusters.value && !clusters.value.some(x => x.id === b.cluster_id);
  return (
    <>
      {open?.kind === 'make' && <Make c={c} clusters={clusters.value || []} onClose={() => show(null)} reload={list.reload} />}
      {open?.kind === 'restore' && <Restore b={open.b} clusters={clusters.value || []} environments={environments.value || []} onClose={() => show(null)} />}
      {open?.kind === 'delete' && <DeleteOverlay what="backup" name={open.b.id} lost={[`${open.b.display_name} as it was ${open.b.created_at ? dateTime(open.b.created_at) : 'then'}`, gone(open.b) ? 'its cluster is gone: this may be the last copy of it' : 'its cluster stays as it is']} onClose={() => show(null)}
        submit={async () => { await del(`/leat/v1/backups/${open.b.id}`); toast('The backup is deleted.'); list.reload(); }} />}
      <Head title="Backups" lead={c ? `Copies of ${c.display_name}, made while it serves.` : 'Copies of clusters, made while they serve. A cluster of its own comes out of each.'} actions={button} />
      {known && !everywhere.may('cluster.operate') && <Empty title="Your roles do not show backups">Backups are of the whole service: OrganizationAdmin or Operator of the organization lists them, and OrganizationAdmin restores and deletes them.{make && ' You may make one of this cluster.'}</Empty>}
      {known && everywhere.may('cluster.operate') && !manage && <Banner kind="info">Your roles let you make backups; OrganizationAdmin restores and deletes them.</Banner>}
      {list.error && <Banner>{list.error}</Banner>}
      {everywhere.may('cluster.operate') && (!list.value ? (!list.error && <Skeleton />) : rows.length === 0 ? <Empty title={c ? 'This cluster has no backup' : 'There is no backup yet'}>One takes seconds, and clients notice nothing.<br />{button}</Empty> :
        <Table label="Backups" rows={rows} rowKey={b => b.id} columns={[
          { title: 'Backup', cell: b => <><span class="mono">{b.id}</span>{b.description && <small class="fold">{b.description}</small>}</> },
          ...(c ? [] : [{ title: 'Cluster', cell: (b: Backup) => (gone(b) ? <>{b.display_name}<small>{b.cluster_id}, gone</small></> : <><a class="name" href={`/clusters/${b.cluster_id}/backups`}>{b.display_name}</a><small class="mono">{b.cluster_id}</small></>) }]),
          { title: 'Made', cell: b => <span title={b.created_at ? dateTime(b.created_at) : ''}>{ago(b.created_at)}</span> },
          { title: 'Holds', num: true, cell: b => <Bytes n={b.bytes} /> },
          { title: 'Files', num: true, narrow: 'p2', cell: b => count(b.files) },
          { title: 'Format', num: true, narrow: 'p3', cell: b => b.format },
          ...(manage ? [{ title: '', num: true, cell: (b: Backup) => <><Button kind="small" icon="restart" onClick={() => show({ kind: 'restore', b })} disabled={!clusters.value || !environments.value}>Restore</Button> <Button kind="small" icon="trash" onClick={() => show({ kind: 'delete', b })}>Delete</Button></> }] : []),
        ]} />)}
      {rows.length > 0 && <p class="help">They lie on the disk of the service: copy them to another machine too. <span class="mono">leat backups create</span> in a timer makes them regularly.</p>}
    </>
  );
}
