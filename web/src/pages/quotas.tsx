// Quotas: what each principal may send and read a second, beside what it does now.
import { useState } from 'preact/hooks';
import { all, call, patch, post, useGet } from '../api';
import { bytes, count, rate, rateLimit } from '../format';
import type { Cluster, Principal } from '../types';
import { Held } from './held';
import { KafkaQuotas } from './kafka_quotas';
import { Banner, Button, Empty, Field, Gauge, Head, Pick, RATE_UNITS, Section, Skeleton, Table, toast } from '../ui';

type Quota = { id: string; spec: { display_name: string; throughput: { ingress_byte_rate: string; egress_byte_rate: string }; principals: { id: string }[] } };
type Row = { id: string; name: string; p?: Principal; quota?: Quota };

function Edit({ c, row, done }: { c: Cluster; row: Row; done: () => void }) {
  const q = row.quota?.spec.throughput;
  const start = (v?: string) => (v && Number(v) > 0 ? v : '');
  const [into, setIn] = useState(start(q?.ingress_byte_rate));
  const [out, setOut] = useState(start(q?.egress_byte_rate));
  const [error, setError] = useState('');
  const run = async (work: () => Promise<unknown>, said: string) => { try { await work(); toast(said); done(); } catch (e) { setError((e as Error).message); } };
  const environment = { id: c.environment.id };
  const throughput = { ingress_byte_rate: into || null, egress_byte_rate: out || null };
  const shared = row.quota && row.quota.spec.principals.length > 1;
  const save = () => run(() => row.quota
    ? patch(`/kafka-quotas/v1/client-quotas/${row.quota.id}`, { spec: { throughput, environment } })
    : post('/kafka-quotas/v1/client-quotas', { spec: { display_name: row.name, description: '', throughput, cluster: { id: c.id }, principals: [{ id: row.id }], environment } }), 'The quota holds from now on.');
  return (
    <tr class="edit-row"><td colSpan={5}><div class="edit">
      <Field label="May send" help={`Now ${rate(row.p?.use.ingress_bytes_per_s ?? 0)}. Empty: no limit.`}>{(id, d) => <Pick id={id} describe={d} value={into} units={RATE_UNITS} onChange={setIn} placeholder="no limit" />}</Field>
      <Field label="May read" help={`Now ${rate(row.p?.use.egress_bytes_per_s ?? 0)}. Empty: no limit.`}>{(id, d) => <Pick id={id} describe={d} value={out} units={RATE_UNITS} onChange={setOut} placeholder="no limit" />}</Field>
      <Button kind="primary" disabled={!row.quota && !into && !out} onClick={save}>Save</Button>
      {row.quota && <Button onClick={() => run(() => call('DELETE', `/kafka-quotas/v1/client-quotas/${row.quota!.id}`), 'The quota is gone.')}>Remove</Button>}
      <Button onClick={done}>Cancel</Button>
      {shared && <p class="help">This quota is set for {row.quota!.spec.principals.length} principals; each has the full rate.</p>}
      {error && <Banner>{error}</Banner>}
    </div></td></tr>
  );
}

export function Quotas({ c }: { c: Cluster }) {
  const principals = useGet<{ data: Principal[] }>(`/leat/v1/clusters/${c.id}/principals`, 2000);
  const accounts = useGet<any[]>('/iam/v2/service-accounts', 0, all);
  const quotas = useGet<Quota[]>(`/kafka-quotas/v1/client-quotas?spec.cluster=${c.id}&environment=${c.environment.id}`, 0, all);
  const [editing, edit] = useState('');
  const owner = (id: string) => quotas.value?.find(q => q.spec.principals.some(p => p.id === id));
  const rows: Row[] = [{ id: '<default>', name: 'Everyone without a quota of their own', quota: owner('<default>') }];
  for (const a of accounts.value || []) rows.push({ id: a.id, name: a.display_name, p: principals.value?.data.find(p => p.principal === `User:${a.id}`), quota: owner(a.id) });
  const slowed = rows.filter(r => (r.p?.use.throttle_ms_per_s ?? 0) > 0);
  const done = () => { edit(''); quotas.reload(); };
  const shown = (v?: string) => (v && Number(v) > 0 ? Number(v) : -1);
  const side = (r: Row, which: 'ingress' | 'egress') => {
    const limit = shown(r.quota?.spec.throughput[`${which}_byte_rate`]);
    const use = r.p?.use[`${which}_bytes_per_s`] ?? 0;
    if (r.id === '<default>') return limit > 0 ? <>{rate(limit)} <span class="unit">each</span></> : <span class="quiet-ink">no limit</span>;
    return <Gauge label={`${r.name} ${which}`} use={use} limit={limit} show={rate} bound={rateLimit} percent />;
  };
  return (
    <>
      <Head title="Quotas" lead={slowed.length ? `${slowed.map(r => r.name).join(', ')} ${slowed.length === 1 ? 'is' : 'are'} being slowed down to their quota.` : 'Nobody is being slowed down. A quota is a cap for each principal; one that is reached makes the client wait, and loses nothing.'} />
      {(quotas.error || principals.error) && <Banner>{quotas.error || principals.error}</Banner>}
      <Section title="The cluster" note={`plan ${c.plan}`}><div class="card pad gauges">
        <Gauge label="In" use={c.use.ingress_bytes_per_s} limit={c.limits.ingress_bytes_per_s} show={rate} bound={rateLimit} />
        <Gauge label="Out" use={c.use.egress_bytes_per_s} limit={c.limits.egress_bytes_per_s} show={rate} bound={rateLimit} />
        <Gauge label="Storage" use={c.use.storage_bytes} limit={c.limits.storage_bytes} show={bytes} />
        <Gauge label="Partitions" use={c.use.partitions} limit={c.limits.partitions} show={count} />
        <Gauge label="Connections" use={c.use.connections} limit={c.limits.connections} show={count} />
      </div></Section>
      <Section title="By principal" note="use now, of its quota">
        {!quotas.value || !accounts.value ? <Skeleton /> : rows.length === 1 && !rows[0].quota && accounts.value.length === 0 ? <Empty title="No service account yet">Quotas are set for service accounts. <a href={`/clusters/${c.id}/access`}>Make one under Access</a>.</Empty> :
          <Table label="Quotas" rows={rows} rowKey={r => r.id} rowClass={r => (r.id === editing ? 'open' : '')} after={r => r.id === editing && <Edit c={c} row={r} done={done} />} columns={[
            { title: 'Principal', cell: r => <>{r.name}<small class="mono">{r.id === '<default>' ? 'default' : `User:${r.id}`}</small></> },
            { title: 'May send', num: true, cell: r => side(r, 'ingress') },
            { title: 'May read', num: true, cell: r => side(r, 'egress') },
            { title: 'Slowed', num: true, cell: r => r.p ? <Held use={r.p.use} /> : <span class="quiet-ink">–</span> },
            { title: '', num: true, cell: r => <Button kind="small" icon="pencil" onClick={() => edit(r.id === editing ? '' : r.id)}>{r.quota ? 'Edit' : 'Set quota'}</Button> },
          ]} />}
      </Section>
      <KafkaQuotas c={c} />
    </>
  );
}
