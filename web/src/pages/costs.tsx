// What clusters used in a month, and what it costs by the prices that are set.
import { useState } from 'preact/hooks';
import { call, get, useGet } from '../api';
import { plural } from '../format';
import { useMay } from '../may';
import { setQuery } from '../router';
import { save } from '../save';
import { Banner, Button, Empty, Field, FormOverlay, Head, Section, Skeleton, Strip, Table, toast, type Column } from '../ui';

type Line = { start_date: string; line_type: string; unit: string; quantity: number; price: number; amount: number; resource: { id: string; display_name: string; environment: { id: string } } };
type Price = { line_type: string; unit: string; price: number };
type Sum = { id: string; name: string; quantity: Record<string, number>; amount: number };

const kinds: [string, string, string][] = [
  ['KAFKA_BASE', 'Time', 'h'], ['KAFKA_STORAGE', 'Storage', 'GB h'], ['KAFKA_PARTITION', 'Partitions', 'partition h'], ['KAFKA_NETWORK_WRITE', 'Written', 'GB'], ['KAFKA_NETWORK_READ', 'Read', 'GB'],
];
const LINES = 10000, PAGES = 20;
const amount = (n: number) => n.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const quantity = (n: number) => (n === 0 ? '0' : n < 0.001 ? '< 0.001' : n.toLocaleString('en-US', { maximumFractionDigits: n < 10 ? 3 : 0 }));

// All lines of a month, as large pages as there are.
async function lines(path: string): Promise<Line[]> {
  const rows: Line[] = [];
  let next: string | null = `${path}&page_size=${LINES}`;
  for (let i = 0; next && i < PAGES; i++) {
    const page: { data: Line[]; metadata: { next: string | null } } = await get(next);
    rows.push(...page.data);
    next = page.metadata.next && page.metadata.next.replace(/^https?:\/\/[^/]+/, '');
  }
  return rows;
}

// One sum a cluster, the dearest first; without prices by name.
function sums(rows: Line[]): Sum[] {
  const found = new Map<string, Sum>();
  for (const l of rows) {
    const sum = found.get(l.resource.id) || { id: l.resource.id, name: l.resource.display_name, quantity: {}, amount: 0 };
    sum.quantity[l.line_type] = (sum.quantity[l.line_type] || 0) + l.quantity;
    sum.amount += l.amount;
    found.set(l.resource.id, sum);
  }
  return [...found.values()].sort((a, b) => b.amount - a.amount || a.name.localeCompare(b.name));
}

// This month and the eleven before, in UTC as costs are counted.
function months(): [string, string, string][] {
  const now = new Date();
  return Array.from({ length: 12 }, (_, i) => {
    const day = (n: number) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - i + n, 1));
    const iso = (d: Date) => d.toISOString().slice(0, 10);
    return [iso(day(0)), iso(day(1)), day(0).toLocaleDateString('en-GB', { month: 'long', year: 'numeric', timeZone: 'UTC' })] as [string, string, string];
  });
}

function Prices({ prices, onClose, reload }: { prices: Price[]; onClose: () => void; reload: () => void }) {
  const [text, set] = useState<Record<string, string>>(Object.fromEntries(prices.map(p => [p.line_type, String(p.price)])));
  const wrong = Object.values(text).some(t => t.trim() === '' || !(Number(t) >= 0));
  return (
    <FormOverlay title="Prices" action="Save" onClose={onClose} disabled={wrong}
      submit={async () => { await call('PUT', '/leat/v1/prices', { prices: Object.fromEntries(Object.entries(text).map(([k, t]) => [k, Number(t)])) }); toast('Costs are told by these prices, those of before too.'); reload(); }}>
      <p class="lead">In any currency. Costs of every day are told by the prices of today.</p><br />
      {prices.map(p => <Field label={kinds.find(k => k[0] === p.line_type)?.[1] || p.line_type} help={`A ${p.unit}.`}>{(id, d) => <input id={id} aria-describedby={d} class="in" inputMode="decimal" value={text[p.line_type]} onInput={e => set({ ...text, [p.line_type]: e.currentTarget.value })} />}</Field>)}
    </FormOverlay>
  );
}

export function Costs({ query }: { query: URLSearchParams }) {
  const [open, show] = useState(false);
  const { may } = useMay();
  const choice = months();
  const [from, to, name] = choice.find(m => m[0].startsWith(query.get('month') || '-')) || choice[0];
  const list = useGet<Line[]>(`/billing/v1/costs?start_date=${from}&end_date=${to}`, 60000, lines);
  const prices = useGet<{ data: Price[] }>('/leat/v1/prices');
  const rows = sums(list.value || []);
  const priced = (prices.value?.data || []).some(p => p.price > 0);
  const total = rows.reduce((s, r) => s + r.amount, 0);
  const used = (kind: string) => rows.reduce((s, r) => s + (r.quantity[kind] || 0), 0);
  const csv = () => save(`costs-${from.slice(0, 7)}.csv`, ['day,cluster,name,line_type,quantity,unit,price,amount', ...(list.value || []).map(l =>
    [l.start_date, l.resource.id, `"${l.resource.display_name.replace(/"/g, '""')}"`, l.line_type, l.quantity, l.unit, l.price, l.amount].join(','))].join('\n') + '\n', 'text/csv');
  const columns: Column<Sum>[] = [
    { title: 'Cluster', cell: r => <><a class="name" href={`/clusters/${r.id}`}>{r.name || r.id}</a><small class="mono">{r.id}</small></> },
    ...kinds.map(([kind, word, unit]) => ({ title: `${word}, ${unit}`, num: true, cell: (r: Sum) => quantity(r.quantity[kind] || 0) })),
    ...(priced ? [{ title: 'Amount', num: true, cell: (r: Sum) => <b>{amount(r.amount)}</b> }] : []),
  ];
  return (
    <>
      {open && prices.value && <Prices prices={prices.value.data} onClose={() => show(false)} reload={() => { prices.reload(); list.reload(); }} />}
      <Head title="Costs" lead="What each cluster used, of those that are gone too, by the day in UTC."
        actions={<><Button icon="down" onClick={csv} disabled={!list.value?.length}>Download CSV</Button>{may('plan.manage') && <Button icon="pencil" onClick={() => show(true)} disabled={!prices.value}>Set prices</Button>}</>} />
      <div class="bar"><label>Month <select class="in" aria-label="Month" value={from.slice(0, 7)} onChange={e => setQuery({ month: e.currentTarget.value === choice[0][0].slice(0, 7) ? null : e.currentTarget.value })}>{choice.map(m => <option value={m[0].slice(0, 7)}>{m[2]}</option>)}</select></label></div>
      {(list.error || prices.error) && <Banner>{list.error || prices.error}</Banner>}
      {prices.value && !priced && <Banner kind="info">No prices are set: amounts would be nothing, so what was used is shown alone.</Banner>}
      {!list.value ? (!list.error && <Skeleton />) : rows.length === 0 ? <Empty title={`Nothing was used in ${name}`}>Of clusters that your roles show. Use is written down every minute.</Empty> : <>
        <Strip items={[...(priced ? [{ label: `All of ${name}`, value: amount(total), note: plural(rows.length, 'cluster') }] : [{ label: 'Clusters', value: rows.length, note: name }]),
          ...kinds.map(([kind, word, unit]) => ({ label: word, value: <>{quantity(used(kind))} <span class="unit">{unit}</span></>, note: priced ? `${prices.value!.data.find(p => p.line_type === kind)?.price} each` : undefined }))]} />
        <Section title={name}><Table label="Costs" rows={rows} rowKey={r => r.id} columns={columns} /></Section>
      </>}
    </>
  );
}
