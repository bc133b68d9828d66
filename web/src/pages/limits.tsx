// What a cluster may use: each limit beside its use, where it comes from, and a change of it.
import { useState } from 'preact/hooks';
import { all, patch, useGet } from '../api';
import { bytes, count, rate, rateLimit, retention } from '../format';
import type { Cluster } from '../types';
import { Banner, Button, Field, FormOverlay, Gauge, Head, Pick, RATE_UNITS, SIZE_UNITS, Section, Skeleton, Table, TIME_UNITS, toast } from '../ui';

export type Plan = { name: string; preset: boolean; clusters: number; limits: Record<string, number>; settings: Record<string, boolean | number> };
export type LimitRow = { name: string; title: string; unit: string; limit: number; plan_limit: number; own_limit: number | null; use: number | null };

const SHOWN: Record<string, (n: number) => string> = { 'bytes/s': rate, bytes, ms: retention };
export const amount = (unit: string, n: number) => (n < 0 ? 'no limit' : unit === 'bytes/s' ? rateLimit(n) : (SHOWN[unit] || count)(n));
const UNITS: Record<string, [string, number][]> = { 'bytes/s': [...RATE_UNITS, ['MiB/s', 1048576]], bytes: SIZE_UNITS, ms: TIME_UNITS };

// A number in the unit of its limit; '' = none given.
export function Amount({ id, describe, unit, value, onChange, placeholder }: { id: string; describe: string; unit: string; value: string; onChange: (v: string) => void; placeholder: string }) {
  if (UNITS[unit]) return <Pick id={id} describe={describe} value={value} units={UNITS[unit]} onChange={onChange} placeholder={placeholder} />;
  return <input id={id} aria-describedby={describe} class="in" inputMode="numeric" value={value} placeholder={placeholder} onInput={e => onChange(e.currentTarget.value.replace(/\D/g, ''))} />;
}

function EditLimit({ c, row, onClose, done }: { c: Cluster; row: LimitRow; onClose: () => void; done: () => void }) {
  const [from, setFrom] = useState<'plan' | 'own' | 'none'>(row.own_limit === null ? 'plan' : row.own_limit < 0 ? 'none' : 'own');
  const [value, setValue] = useState(row.own_limit !== null && row.own_limit >= 0 ? String(row.own_limit) : '');
  const submit = async () => {
    await patch(`/leat/v1/clusters/${c.id}`, { limits: { [row.name]: from === 'plan' ? null : from === 'none' ? -1 : Number(value) } });
    toast(`${row.title}: the new limit holds from now on.`);
    done();
  };
  return (
    <FormOverlay title={row.title} action="Set limit" onClose={onClose} submit={submit} disabled={from === 'own' && !value}>
      <Field label="This cluster's limit" help="A limit of its own stays when the plan changes.">
        {(_id, d) => <div class="choices" role="radiogroup" aria-label="Where the limit comes from" aria-describedby={d}>
          {([['plan', `As in plan ${c.plan}`, amount(row.unit, row.plan_limit)], ['own', 'Its own', ''], ['none', 'No limit', '']] as const).map(([key, word, note]) => (
            <label class="choice"><input type="radio" name="from" checked={from === key} onChange={() => setFrom(key)} /><span>{word}{note && <small>{note}</small>}</span></label>))}</div>}
      </Field>
      {from === 'own' && <Field label="At most" help={row.use === null ? '' : `Now in use: ${amount(row.unit, row.use)}.`}>{(id, d) => <Amount id={id} describe={d} unit={row.unit} value={value} onChange={setValue} placeholder="0" />}</Field>}
    </FormOverlay>
  );
}

function ChangePlan({ c, onClose, done }: { c: Cluster; onClose: () => void; done: () => void }) {
  const plans = useGet<Plan[]>('/leat/v1/plans', 0, all);
  const [plan, setPlan] = useState(c.plan);
  const submit = async () => { await patch(`/leat/v1/clusters/${c.id}`, { plan }); toast(`${c.display_name} has the limits of ${plan} from now on.`); done(); };
  return (
    <FormOverlay title="Change plan" action="Change plan" onClose={onClose} submit={submit} disabled={plan === c.plan}>
      <Field label="Plan" help="Takes effect at once. What is stored stays, also above a smaller limit; new records are refused until there is room.">
        {(id, d) => <select id={id} aria-describedby={d} class="in" value={plan} onChange={e => setPlan(e.currentTarget.value)}>{(plans.value || []).map(p => <option value={p.name}>{p.name}</option>)}</select>}
      </Field>
    </FormOverlay>
  );
}

export function ClusterLimits({ c, reload }: { c: Cluster; reload: () => void }) {
  const rows = useGet<LimitRow[]>(`/leat/v1/clusters/${c.id}/limits`, 2000, all);
  const [editing, edit] = useState<LimitRow | null>(null);
  const [changing, change] = useState(false);
  const done = () => { rows.reload(); reload(); };
  const near = (rows.value || []).filter(r => r.use !== null && r.limit > 0 && r.use / r.limit >= 0.9);
  const own = (rows.value || []).filter(r => r.own_limit !== null).length;
  return (
    <>
      {editing && <EditLimit c={c} row={editing} onClose={() => edit(null)} done={done} />}
      {changing && <ChangePlan c={c} onClose={() => change(false)} done={done} />}
      <Head title="Limits" lead={near.length ? `Nearly reached: ${near.map(r => r.title.toLowerCase()).join(', ')}.` : `Plan ${c.plan}. ${own ? `${own} of the limits ${own === 1 ? 'is' : 'are'} this cluster's own.` : 'Every limit is the plan\'s.'}`}
        actions={<Button icon="pencil" onClick={() => change(true)}>Change plan</Button>} />
      {rows.error && <Banner>{rows.error}</Banner>}
      <Section title="Use against each limit" note="held by the broker, whichever client asks">
        {!rows.value ? (!rows.error && <Skeleton />) :
          <Table label="Limits" rows={rows.value} rowKey={r => r.name} columns={[
            { title: 'Limit', cell: r => <>{r.title}<small class="mono">{r.name}</small></> },
            { title: 'Now', num: true, width: '40%', cell: r => r.use === null ? <span class="quiet-ink">not measured</span> : <Gauge label={r.title} use={r.use} limit={r.limit} show={n => amount(r.unit, n)} percent /> },
            { title: 'May use', num: true, cell: r => amount(r.unit, r.limit) },
            { title: 'From', narrow: 'p2', cell: r => r.own_limit === null ? <>plan {c.plan}</> : <span class="badge">own<small> plan: {amount(r.unit, r.plan_limit)}</small></span> },
            { title: '', num: true, cell: r => <Button kind="small" icon="pencil" aria-label={`Change ${r.title}`} onClick={() => edit(r)}>Change</Button> },
          ]} />}
      </Section>
    </>
  );
}
