// Figures over time from the service's history, as pages show them: a choice of spans, charts, parts, numbers.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { useGet } from './api';
import { Chart } from './charts';
import { count, dateTime, rate } from './format';
import { begin, csv, drawn, kinds, known, lastKnown, partly, SPANS, type By, type History, type Kind, type KindName, type Values } from './history';
import { Lines, linesOf, type Tail } from './lines';
import type { Sample } from './live';
import { useMay } from './may';
import { setQuery } from './router';
import type { Cluster } from './types';
import { Banner, Button, Empty, Section, Skeleton, Table } from './ui';

// How often the history is asked, in ms: a minute is there five seconds after its end, an hour's step is no hurry.
const refresh = (span: string) => (['15m', '1h', '6h'].includes(span) ? 20000 : 60000);
const NEW = 'Figures are kept by the minute from the first whole minute on, for seven days, and by the hour for ninety.';

const useAllowed = (cluster: string) => { const { known: told, may } = useMay({ id: cluster } as Cluster); return told ? may('metrics.view') : undefined; };
// The history of a span, null for none; while another span is on its way the last one stays. `what` names whose it is.
function useHistory(cluster: string, what: string, span: string | null): { h?: History; error?: string; old: boolean } {
  const answer = useGet<History>(span === null ? null : `/leat/v1/clusters/${cluster}/history?span=${span}${what}`, refresh(span || ''));
  const kept = useRef<{ whose: string; h: History }>();
  const whose = cluster + what;
  if (answer.value) kept.current = { whose, h: answer.value };
  const h = answer.value ?? (kept.current?.whose === whose ? kept.current.h : undefined);
  return { h, error: answer.error, old: !answer.value && !!h };
}
const isKnown = (h: History) => h.series.some(s => s.values.some(v => v !== null));
const asked = (k: Kind) => k.parts.map(p => `&metric=${p.metric}`).join('');
export const spanOf = (query: URLSearchParams, more: string[] = []) => {
  const span = query.get('span') || '';
  return more.includes(span) || SPANS.some(([s]) => s === span) ? span : '1h';
};

// What the page itself saw since the history's last minute: `order` says which value of a sample is which line's.
// A rate is the mean of what was seen, a gauge what it stands at; NaN is not known.
function tailOf(h: History | undefined, kind: Kind, samples: Sample[] | undefined, order: number[]): Tail | undefined {
  const since = h && samples?.filter(s => s.at > h.to);
  if (!since?.length) return undefined;
  const seen = kind === kinds.flow ? since : since.slice(-1);
  const values = order.map(i => seen.reduce((sum, s) => sum + s.values[i], 0) / seen.length);
  return { until: since[since.length - 1].at, values: values.map(v => (isNaN(v) ? null : v)) };
}

// The lag of each group over the last six hours: of the fifty that are furthest behind.
export function useLags(cluster: string, runs: boolean): Map<string, Values> {
  const { value } = useGet<History>(useAllowed(cluster) && runs ? `/leat/v1/clusters/${cluster}/history?span=6h&metric=consumer_lag_offsets&by=consumer_group_id&limit=50` : null, 60000);
  return useMemo(() => new Map((value?.series || []).map(s => [s.consumer_group_id!, s.values])), [value]);
}

// --- a choice of spans -------------------------------------------------------------------------------
function Spans({ on, shown }: { on: string; shown: [string, string, string][] }) {
  return (
    <div class="spans" role="group" aria-label="Span">
      {shown.map(([key, word, long]) => <button type="button" class="pill" aria-pressed={key === on} aria-label={key === 'live' ? 'Live' : `The last ${long}`} onClick={() => setQuery({ span: key })}>{word}</button>)}
    </div>
  );
}
const FEW = ['1h', '24h', '7d', '30d'];
const fewSpans: [string, string, string][] = [['live', 'Live', ''], ...SPANS.filter(([s]) => FEW.includes(s))];

// In and out of a cluster or topic beside its other figures; `samples` are what the page saw, second by second.
export function InAndOut({ cluster, only = '', query, samples, limits, height, all }: {
  cluster: string; only?: string; query: URLSearchParams; samples: Sample[]; limits?: number[]; height: number; all: string;
}) {
  const allowed = useAllowed(cluster);
  const span = allowed === false ? 'live' : spanOf(query, ['live']);
  const { h, error, old } = useHistory(cluster, asked(kinds.flow) + only, allowed && span !== 'live' ? span : null);
  const tail = tailOf(h, kinds.flow, samples, [0, 1]);
  return (
    <Section title="In and out" note={span === 'live' ? 'bytes per second, since this page was opened' : <>bytes per second. <a href={all}>All figures</a></>} side={allowed && <Spans on={span} shown={[...fewSpans, ...SPANS.filter(([s]) => s === span && !FEW.includes(s))]} />}>
      {span === 'live' ? <Chart label="In and out" samples={samples} names={['in', 'out']} mirrored format={rate} height={height} limits={limits} />
        : h ? <div class={old ? 'old' : ''}><Lines h={h} kind={kinds.flow} label="In and out" lines={linesOf(h, kinds.flow, limits)} tail={tail} height={height} /></div>
        : error ? <Banner>{error}</Banner> : <Skeleton rows={5} />}
    </Section>
  );
}

// --- the same as numbers ---------------------------------------------------------------------------------
function download(h: History, name: string) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([csv(h)], { type: 'text/csv' }));
  link.download = `${name}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
const words = (metric: string) => metric.replace(/_/g, ' ');
function Numbers({ h }: { h: History }) {
  const rows = h.observed_ms.map((_, i) => h.observed_ms.length - 1 - i);
  const counted = h.series.some(s => s.kind === 'counter');
  return (
    <>
      <p class="help">Newest first, as the service keeps them{counted ? ': what was counted in each step, and what gauges stood at' : ': what they stood at'}.</p>
      <div class="numbers"><Table label="Numbers" rows={rows} rowKey={i => String(begin(h, i))} columns={[
        { title: 'From', cell: i => <><time dateTime={new Date(begin(h, i)).toISOString()}>{dateTime(begin(h, i))}</time>{partly(h, i) && <span class="quiet-ink">, {partly(h, i)}</span>}</> },
        ...h.series.map(s => ({ title: words(s.metric), num: true, cell: (i: number) => (s.values[i] === null ? <span class="quiet-ink">not known</span> : count(s.values[i])) })),
      ]} /></div>
    </>
  );
}

// --- what it is made of --------------------------------------------------------------------------------------
export type Parts = { by: By; kind: KindName; metric: string; title: string; note: string; column: string; sum: string; show: (n: number) => string; link?: (name: string) => string | undefined };
// Is asked for when it comes near the window.
function Made(props: { cluster: string; span: string; only: string; of: Parts }) {
  const place = useRef<HTMLDivElement>(null);
  const [near, setNear] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver(seen => { if (seen.some(s => s.isIntersecting)) { setNear(true); watch.disconnect(); } }, { rootMargin: '400px' });
    watch.observe(place.current!);
    return () => watch.disconnect();
  }, []);
  return <div ref={place}>{near ? <MadeOf {...props} /> : <Skeleton rows={5} />}</div>;
}
function MadeOf({ cluster, span, only, of }: { cluster: string; span: string; only: string; of: Parts }) {
  const { h, error, old } = useHistory(cluster, `&metric=${of.metric}&by=${of.by}&limit=6${only}`, span);
  const [name, choose] = useState('');
  if (!h) return error ? <Banner>{error}</Banner> : <Skeleton rows={5} />;
  const rows = h.series.map((s, at) => {
    const values = known(s.values);
    return { at, name: s[of.by]!, link: s[of.by] === '(others)' ? undefined : of.link?.(s[of.by]!), values: drawn(h, s), figure: s.kind === 'counter' ? values.reduce((a, b) => a + b, 0) : s.values[lastKnown(s.values)] ?? 0, any: values.some(v => v > 0) };
  });
  if (!rows.some(r => r.any)) return <Empty title="Nothing in this time">It shows here as soon as there is something to tell.</Empty>;
  const chosen = Math.max(0, rows.findIndex(r => r.name === name));
  return (
    <div class={`card made ${old ? 'old' : ''}`}>
      <Lines h={h} kind={{ ...kinds[of.kind], mirrored: false }} label={of.title} lines={rows} chosen={chosen} height={130} />
      <table aria-label={of.title}>
        <thead><tr><th scope="col">{of.column}</th><th scope="col" class="r">{of.sum}</th></tr></thead>
        <tbody>{rows.map(r => <tr key={r.name} class={r.at === chosen ? 'on' : ''} onMouseEnter={() => choose(r.name)} onFocusIn={() => choose(r.name)}>
          <td><i aria-hidden="true" />{r.link ? <a class="name" href={r.link}>{r.name}</a> : <span class="name" tabIndex={0}>{r.name}</span>}</td><td class="r">{of.show(r.figure)}</td></tr>)}</tbody>
      </table>
    </div>
  );
}

// --- the whole -------------------------------------------------------------------------------------------
// `only` restricts to a topic or group: "&topic=orders". `live` is what the page saw of a chart's lines.
export function OverTime({ cluster, charts, only = '', query, parts = [], name, live = {}, limits = {}, alerts = {}, children }: {
  cluster: string; charts: KindName[]; only?: string; query: URLSearchParams; parts?: Parts[]; name: string;
  live?: Partial<Record<KindName, { samples: Sample[]; order: number[] }>>; limits?: Partial<Record<KindName, number[]>>; alerts?: Partial<Record<KindName, number>>; children?: ComponentChildren;
}) {
  const span = spanOf(query);
  const numbers = query.get('view') === 'numbers';
  const allowed = useAllowed(cluster);
  const { h, error, old } = useHistory(cluster, charts.map(c => asked(kinds[c])).join('') + only, allowed ? span : null);
  const tails = Object.fromEntries(charts.map(c => [c, tailOf(h, kinds[c], live[c]?.samples, live[c]?.order || [])]));
  const any = !!h && (isKnown(h) || Object.values(tails).some(Boolean));
  if (allowed === false) return <Empty title="Your roles do not show figures over time">MetricsViewer and Operator do, among others.</Empty>;
  return (
    <>
      <div class="bar">
        <Spans on={span} shown={SPANS} />
        <span class="grow" />
        {any && <><Button kind="small" aria-pressed={numbers} onClick={() => setQuery({ view: numbers ? null : 'numbers' })}>{numbers ? 'Charts' : 'Numbers'}</Button><Button kind="small" icon="down" onClick={() => download(h!, `${name}-${span}`)}>CSV</Button></>}
      </div>
      {children}
      {error && <Banner kind={h ? 'warn' : 'bad'}>{error}</Banner>}
      {!h ? (!error && <div class="charts">{charts.map(c => <Section key={c} title={kinds[c].title} note={kinds[c].note}><Skeleton rows={5} /></Section>)}</div>)
        : !any ? <Empty title="Nothing is known of this time yet">{NEW}</Empty>
        : numbers ? <Numbers h={h} />
        : <div class={`charts ${old ? 'old' : ''}`} aria-busy={old}>{charts.map(c => <Section key={c} title={kinds[c].title} note={kinds[c].note}><Lines h={h} kind={kinds[c]} label={kinds[c].title} lines={linesOf(h, kinds[c], limits[c], alerts[c])} tail={tails[c]} /></Section>)}</div>}
      {any && !numbers && parts.length > 0 && <div class="charts">{parts.map(p => <Section key={p.title} title={p.title} note={p.note}><Made cluster={cluster} span={span} only={only} of={p} /></Section>)}</div>}
    </>
  );
}
