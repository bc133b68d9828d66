// Moving what a group committed: what it would do first, as the service's own dry run says it, then the deed.
import { useEffect, useState } from 'preact/hooks';
import { post } from '../api';
import { count, plural } from '../format';
import { seg } from '../router';
import type { Cluster, Group } from '../types';
import { Banner, Field, FormOverlay, Table, toast } from '../ui';

type Row = { topic: string; partition: number; current_offset: number | null; new_offset: number; skipped: number; repeated: number; lag: number; clamped: boolean };
type Plan = { applied: boolean; blocked_by: string | null; skipped: number; repeated: number; lag: number; partitions: Row[] };
type To = 'earliest' | 'latest' | 'timestamp' | 'offset' | 'shift' | 'group';
const targets: [To, string][] = [['earliest', 'The oldest record'], ['latest', 'The end: skip everything'], ['timestamp', 'A time'],
  ['offset', 'An offset'], ['shift', 'So many records on or back'], ['group', 'Where another group is']];
const SHOWN = 100;

const Change = ({ r }: { r: Row }) => r.current_offset === null ? <span class="quiet-ink">new</span>
  : r.repeated ? <>{count(r.repeated)} <span class="unit">again</span></> : r.skipped ? <>{count(r.skipped)} <span class="unit">skipped</span></> : <span class="quiet-ink">stays</span>;
function inWords(p: Plan) {
  if (!p.repeated && !p.skipped) return 'No record is read again and none is skipped.';
  const again = p.repeated ? `${plural(p.repeated, 'record')} will be read again` : 'no record will be read again';
  const skip = p.skipped ? `${p.skipped === 1 ? '1 is' : `${count(p.skipped)} are`} skipped` : 'none are skipped';
  return `${again[0].toUpperCase()}${again.slice(1)}, ${skip}. Afterwards the group is ${plural(p.lag, 'record')} behind.`;
}

export function ResetOverlay({ c, g, onClose }: { c: Cluster; g: Group; onClose: () => void }) {
  const topics = [...new Set((g.lags || []).map(l => l.topic))];
  const [to, setTo] = useState<To>('earliest');
  const [value, setValue] = useState('');
  const [chosen, choose] = useState<string[]>(topics);
  const [known, know] = useState<{ asked: string; plan?: Plan; error?: string }>({ asked: '' });
  const path = `/leat/v1/clusters/${c.id}/groups/${seg(g.group_id)}:reset-offsets`;
  const whole = /^-?\d+$/.test(value.trim());
  const complete = chosen.length > 0 && (to === 'earliest' || to === 'latest' || (to === 'timestamp' ? !isNaN(Date.parse(value)) : to === 'group' ? !!value.trim() : whole));
  const body = (dry: boolean) => ({
    to, dry_run: dry, topics: chosen.map(topic => ({ topic })),
    ...(to === 'timestamp' && { timestamp: Date.parse(value) }), ...(to === 'offset' && { offset: Number(value) }),
    ...(to === 'shift' && { shift: Number(value) }), ...(to === 'group' && { from_group: value.trim() }),
  });
  const asked = JSON.stringify([to, value, chosen]);
  const { plan, error } = known.asked === asked ? known : {}; // what was said to another question is not shown
  useEffect(() => {
    if (!complete) return;
    let over = false;
    // Again every two seconds: the group may start or stop, and the log grows, while somebody looks.
    const ask = async () => {
      let next: typeof known = { asked };
      try { next.plan = await post<Plan>(path, body(true)); } catch (e) { next = { asked, error: (e as Error).message }; }
      if (!over) know(next);
    };
    const first = window.setTimeout(ask, 150);
    const again = window.setInterval(ask, 2000);
    return () => { over = true; clearTimeout(first); clearInterval(again); };
  }, [asked]);
  const pick = (next: To) => { setTo(next); setValue(''); };
  const submit = async () => {
    const done = await post<Plan>(path, body(false));
    toast(`${g.group_id} is at its new place in ${plural(done.partitions.length, 'partition')}.`);
  };
  const rows = plan?.partitions || [];
  const clamped = rows.filter(r => r.clamped).length;
  const label = { timestamp: 'First record at or after', offset: 'Offset', shift: 'Records', group: 'Group' }[to as string];
  const help = { timestamp: 'By this browser’s clock.', offset: 'The next record to be read, in every partition.', shift: 'Below zero goes back.', group: 'Its committed offsets are copied.' }[to as string];
  return (
    <FormOverlay title={`Reset offsets of ${g.group_id}`} action={plan ? `Reset ${plural(rows.length, 'partition')}` : 'Reset'} wide onClose={onClose} submit={submit} disabled={!plan || !!plan.blocked_by}>
      {plan?.blocked_by && <Banner kind="warn"><b>The group is reading now.</b> {plan.blocked_by}</Banner>}
      <div class="pair">
        <Field label="Move to">{(id, d) => <select id={id} aria-describedby={d} class="in" value={to} onChange={e => pick(e.currentTarget.value as To)}>{targets.map(([k, word]) => <option value={k}>{word}</option>)}</select>}</Field>
        {label && <Field label={label} help={help}>{(id, d) => <input id={id} aria-describedby={d} class={`in ${to === 'timestamp' ? '' : 'mono'}`} type={to === 'timestamp' ? 'datetime-local' : 'text'} step={1} spellcheck={false} value={value} onInput={e => setValue(e.currentTarget.value)} />}</Field>}
      </div>
      {topics.length > 1 && <Field label="Topics">{(_i, d) => <div class="choices" role="group" aria-label="Topics" aria-describedby={d}>{topics.map(t =>
        <label class="choice"><input type="checkbox" checked={chosen.includes(t)} onChange={e => choose(e.currentTarget.checked ? [...chosen, t] : chosen.filter(x => x !== t))} />{t}</label>)}</div>}</Field>}
      {error && <Banner>{error}</Banner>}
      {plan && <>
        <div class="sec-head"><h2>Before and after</h2><span class="sec-note">nothing has changed yet</span></div>
        <Table label="Before and after" rows={rows.slice(0, SHOWN)} rowKey={r => `${r.topic}/${r.partition}`} columns={[
          { title: 'Topic', cell: r => r.topic },
          { title: 'Partition', num: true, cell: r => r.partition },
          { title: 'Now at', num: true, cell: r => r.current_offset === null ? <span class="quiet-ink">nowhere</span> : <span class="mono">{count(r.current_offset)}</span> },
          { title: 'Will be at', num: true, cell: r => <span class="mono">{count(r.new_offset)}</span> },
          { title: 'Change', num: true, cell: r => <Change r={r} /> },
          { title: 'Lag after', num: true, cell: r => count(r.lag) },
        ]} />
        {rows.length > SHOWN && <p class="help">{count(SHOWN)} of {plural(rows.length, 'partition')} shown; all are moved.</p>}
        <p class="said">{inWords(plan)}{clamped > 0 && ` In ${plural(clamped, 'partition')} that place lies outside the log, so its nearest end is taken.`}</p>
      </>}
    </FormOverlay>
  );
}
