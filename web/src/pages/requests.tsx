// Topic requests: who may not make topics asks for one, with the access it needs; who may decides.
import { useState } from 'preact/hooks';
import { all, post, useGet } from '../api';
import { ago, dateTime, plural } from '../format';
import { setQuery } from '../router';
import type { Cluster } from '../types';
import { Banner, Button, Empty, Field, FormOverlay, Head, Section, Skeleton, Table, toast } from '../ui';

type Access = { principal: string; operations: string[]; group?: string };
type Request = {
  id: string; cluster_id: string; state: 'pending' | 'approved' | 'declined' | 'withdrawn'; topic_name: string; partitions_count: number | null;
  configs: Record<string, string>; access: Access[]; justification: string; requested_by: string; requested_at: string;
  decided_by: string | null; decided_at: string | null; reason: string;
};
const STATES = ['pending', 'approved', 'declined', 'withdrawn'];
const KIND: Record<string, string> = { pending: 'warn', approved: 'ok', declined: 'bad', withdrawn: '' };

export function AskForTopic({ clusters, cluster, onClose, done }: { clusters: Cluster[]; cluster?: string; onClose: () => void; done: () => void }) {
  const accounts = useGet<any[]>('/iam/v2/service-accounts', 0, all);
  const [on, setOn] = useState(cluster || clusters[0]?.id || '');
  const [name, setName] = useState('');
  const [partitions, setPartitions] = useState('');
  const [who, setWho] = useState('');
  const [writes, setWrites] = useState(true);
  const [reads, setReads] = useState(true);
  const [group, setGroup] = useState('');
  const [why, setWhy] = useState('');
  const submit = async () => {
    const operations = [...(reads ? ['READ'] : []), ...(writes ? ['WRITE'] : [])];
    const access = who && operations.length ? [{ principal: `User:${who}`, operations, ...(reads && group ? { group } : {}) }] : [];
    await post('/leat/v1/topic-requests', { cluster_id: on, topic_name: name, ...(partitions ? { partitions_count: Number(partitions) } : {}), access, justification: why });
    toast(`You asked for ${name}. Whoever may make topics here decides.`);
    done();
  };
  return (
    <FormOverlay title="Ask for a topic" action="Ask" onClose={onClose} submit={submit} disabled={!name.trim() || !on}>
      <Field label="Cluster">{(id, d) => <select id={id} aria-describedby={d} class="in" value={on} onChange={e => setOn(e.currentTarget.value)}>{clusters.map(c => <option value={c.id}>{c.display_name}</option>)}</select>}</Field>
      <Field label="Topic" help="Its environment's naming policy is checked at once.">{(id, d) => <input id={id} aria-describedby={d} class="in" value={name} autofocus spellcheck={false} placeholder="orders" onInput={e => setName(e.currentTarget.value)} />}</Field>
      <Field label="Partitions" help="Empty: as usual on this cluster.">{(id, d) => <input id={id} aria-describedby={d} class="in" inputMode="numeric" value={partitions} onInput={e => setPartitions(e.currentTarget.value.replace(/\D/g, ''))} />}</Field>
      <Field label="Access for" help="Granted together with the topic, in one step.">{(id, d) => <select id={id} aria-describedby={d} class="in" value={who} onChange={e => setWho(e.currentTarget.value)}><option value="">nobody yet</option>{(accounts.value || []).map(a => <option value={a.id}>{a.display_name}</option>)}</select>}</Field>
      {who && <Field label="It may">{(_id, d) => <div class="checks" aria-describedby={d}><label class="check"><input type="checkbox" checked={writes} onChange={e => setWrites(e.currentTarget.checked)} />write</label><label class="check"><input type="checkbox" checked={reads} onChange={e => setReads(e.currentTarget.checked)} />read</label></div>}</Field>}
      {who && reads && <Field label="Consumer group" help="That it reads with; empty: none.">{(id, d) => <input id={id} aria-describedby={d} class="in" value={group} spellcheck={false} onInput={e => setGroup(e.currentTarget.value)} />}</Field>}
      <Field label="What it is for" help="Read by who decides.">{(id, d) => <textarea id={id} aria-describedby={d} class="in" rows={3} value={why} onInput={e => setWhy(e.currentTarget.value)} />}</Field>
    </FormOverlay>
  );
}

function Decide({ r, where, verb, onClose, done }: { r: Request; where: string; verb: 'approve' | 'decline' | 'withdraw'; onClose: () => void; done: () => void }) {
  const [reason, setReason] = useState('');
  const words = { approve: ['Approve', 'is made'], decline: ['Decline', 'is declined'], withdraw: ['Withdraw', 'is withdrawn'] }[verb];
  const submit = async () => { await post(`/leat/v1/topic-requests/${r.id}:${verb}`, { reason }); toast(`${r.topic_name} ${words[1]}.`); done(); };
  return (
    <FormOverlay title={`${words[0]} ${r.topic_name}?`} action={words[0]} drawer={false} danger={verb === 'decline'} onClose={onClose} submit={submit} disabled={verb === 'decline' && !reason.trim()}>
      {verb === 'approve' && <ul class="steps">
        <li>topic {r.topic_name} on {where}{r.partitions_count ? `, ${plural(r.partitions_count, 'partition')}` : ''}</li>
        {Object.entries(r.configs).map(([k, v]) => <li><span class="mono">{k}={v}</span></li>)}
        {r.access.map(a => <li>{a.principal} may {a.operations.join(' and ').toLowerCase()}{a.group ? ` with group ${a.group}` : ''}</li>)}
      </ul>}
      <Field label="Reason" help={verb === 'decline' ? 'Told to who asked.' : 'Told to who asked; may be empty.'}>{(id, d) => <textarea id={id} aria-describedby={d} class="in" rows={2} value={reason} onInput={e => setReason(e.currentTarget.value)} />}</Field>
    </FormOverlay>
  );
}

export function Requests({ query }: { query: URLSearchParams }) {
  const state = query.get('state') || 'pending';
  const list = useGet<Request[]>(`/leat/v1/topic-requests?state=${state}`, 5000, all);
  const clusters = useGet<Cluster[]>('/leat/v1/clusters', 0, all);
  const accounts = useGet<any[]>('/iam/v2/service-accounts', 0, all);
  const [asking, ask] = useState(false);
  const [deciding, decide] = useState<[Request, 'approve' | 'decline' | 'withdraw'] | null>(null);
  const name = (id: string) => clusters.value?.find(c => c.id === id)?.display_name || id;
  const account = (principal: string) => accounts.value?.find(a => `User:${a.id}` === principal)?.display_name || principal;
  const rows = list.value || [];
  const button = <Button kind="primary" icon="plus" onClick={() => ask(true)}>Ask for a topic</Button>;
  return (
    <>
      {asking && clusters.value && <AskForTopic clusters={clusters.value} onClose={() => ask(false)} done={list.reload} />}
      {deciding && <Decide r={deciding[0]} where={name(deciding[0].cluster_id)} verb={deciding[1]} onClose={() => decide(null)} done={list.reload} />}
      <Head title="Topic requests" lead={list.value ? state === 'pending' ? `${plural(rows.length, 'request waits', 'requests wait')} for a decision.` : `${plural(rows.length, 'request')} ${rows.length === 1 ? 'was' : 'were'} ${state}.` : ' '} actions={button} />
      {list.error && <Banner>{list.error}</Banner>}
      <div class="bar"><label>Show <select class="in" aria-label="State" value={state} onChange={e => setQuery({ state: e.currentTarget.value === 'pending' ? null : e.currentTarget.value })}>{STATES.map(s => <option>{s}</option>)}</select></label></div>
      <Section title="Requests">
        {!list.value ? (!list.error && <Skeleton />) : rows.length === 0 ? <Empty title={state === 'pending' ? 'Nobody waits' : `None was ${state}`}>A topic and the access to it are asked for together, and made together.</Empty> :
          <Table label="Topic requests" rows={rows} rowKey={r => r.id} columns={[
            { title: 'Topic', cell: r => <>{r.topic_name}<small>{name(r.cluster_id)}{r.partitions_count ? `, ${plural(r.partitions_count, 'partition')}` : ''}</small></> },
            { title: 'Access', narrow: 'p2', cell: r => r.access.length ? r.access.map(a => <div>{account(a.principal)}: {a.operations.join(', ').toLowerCase()}{a.group && <small>group {a.group}</small>}</div>) : <span class="quiet-ink">none</span> },
            { title: 'For', narrow: 'p3', cell: r => r.justification || <span class="quiet-ink">–</span> },
            { title: 'Asked', cell: r => <span title={dateTime(r.requested_at)}>{ago(r.requested_at)}<small>{r.requested_by}</small></span> },
            { title: 'State', cell: r => <><span class={`badge ${KIND[r.state]}`}>{r.state}</span>{r.reason && <small>{r.reason}</small>}{r.decided_by && <small>by {r.decided_by}</small>}</> },
            { title: '', num: true, cell: r => r.state === 'pending' && <><Button kind="small" onClick={() => decide([r, 'approve'])}>Approve</Button> <Button kind="small" onClick={() => decide([r, 'decline'])}>Decline</Button></> },
          ]} />}
      </Section>
    </>
  );
}
