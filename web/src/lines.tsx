// Lines over the steps of a history, drawn by uPlot: one cursor for all charts of a page, read by mouse and by keys.
import uPlot from 'uplot';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { colours } from './charts';
import { day } from './format';
import { begin, drawn, end, hm, known, lastKnown, partly, stepWords, top, type History, type Kind, type Values } from './history';

// `limit`: what is allowed; `alert`: above it a rule fires. Both are drawn once use comes near.
export type Line = { name: string; values: Values; limit?: number; alert?: number };
// `tail` is the minute under way: a value a line, from the history's end until now.
export type Tail = { until: number; values: Values };
type Props = {
  h: History; kind: Kind; label: string; lines: Line[]; height?: number; tail?: Tail;
  chosen?: number; // of many lines this one is drawn as the whole, the others in grey
};
const INCRS = [1, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720].map(minutes => minutes * 60);
const DAYS = [1, 2, 3, 5, 7, 14, 21].map(days => days * 86400);
const inDays = (h: History) => h.to - h.from > 2 * 86400000;
const EACH = 3; // points a step: where it begins, its middle, where it ends

export const linesOf = (h: History, kind: Kind, limits: number[] = [], alert?: number): Line[] => kind.parts.map((p, i) => {
  const s = h.series.find(x => x.metric === p.metric);
  return { name: p.name, limit: limits[i], alert, values: s ? drawn(h, s) : h.observed_ms.map(() => null) };
});

type Step = { from: number; to: number; values: Values; partly?: string };
function stepsOf({ h, lines, tail }: Props): Step[] {
  const steps: Step[] = h.observed_ms.map((_, i) => ({ from: begin(h, i), to: end(h, i), values: lines.map(l => l.values[i]), partly: partly(h, i) }));
  if (tail && tail.until > h.to) steps.push({ from: h.to, to: tail.until, values: tail.values });
  return steps;
}

// What each line's scale ends at: mirrored ones have one each, others share the highest.
function topsOf({ kind, lines, tail }: Props): number[] {
  const high = lines.map((l, i) => Math.max(0, tail?.values[i] ?? 0, ...known(l.values)));
  const all = kind.mirrored ? 0 : Math.max(...high);
  return lines.map((l, i) => {
    const most = Math.max(high[i], all, kind.least);
    if (l.limit && most > l.limit / 4) return Math.max(l.limit, most);
    return top(kind.scale, l.alert && most > l.alert / 4 ? Math.max(l.alert, most) : most);
  });
}

function Reading({ steps, at, p, live }: { steps: Step[]; at: number | null; p: Props; live: boolean }) {
  const i = at ?? (p.tail ? steps.length - 1 : lastKnown(steps.map(s => s.values[0])));
  const step = steps[Math.min(i, steps.length - 1)];
  if (!step) return <div class="reading" />;
  const shown = p.chosen === undefined ? p.lines.map((l, n) => [l.name, n] as const) : [[p.lines[p.chosen].name, p.chosen] as const];
  return (
    <div class="reading keyed" aria-live={live ? 'polite' : 'off'}>
      {shown.map(([name, n]) => <span><i class={n === 1 && p.chosen === undefined ? 'out' : ''} aria-hidden="true" />{name} <b class="num">{(step.values[n] ?? null) === null ? 'not known' : p.kind.format(step.values[n]!)}</b></span>)}
      <span class="when num">{p.tail && i === steps.length - 1 ? `since ${hm(step.from)}` : stepWords(p.h, step.from, step.to)}{step.partly && `, ${step.partly}`}</span>
    </div>
  );
}

function drawLimits(u: uPlot, p: Props, tops: number[]) {
  const ratio = devicePixelRatio || 1;
  const draw = (at: number | undefined, i: number, words: string, stroke: string, text: string) => {
    if (!at || tops[i] < at) return;
    const down = !!p.kind.mirrored && i === 1;
    const y = Math.round(u.valToPos((down ? -1 : 1) * at / tops[i], 'y', true));
    const high = at > tops[i] * 0.85 !== down; // below the line where there is no room above it
    const [line, ink] = colours(stroke, text);
    u.ctx.save();
    u.ctx.strokeStyle = line;
    u.ctx.fillStyle = ink;
    u.ctx.setLineDash([4 * ratio, 3 * ratio]);
    u.ctx.beginPath();
    u.ctx.moveTo(u.bbox.left, y);
    u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
    u.ctx.stroke();
    u.ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    u.ctx.textAlign = 'left';
    u.ctx.fillText(words, u.bbox.left + 8 * ratio, y + (high ? 14 : -6) * ratio);
    u.ctx.restore();
  };
  p.lines.forEach((l, i) => {
    draw(l.limit, i, `limit ${l.name}`, '--ink-3', '--ink-2');
    draw(l.alert, i, `alert at ${p.kind.format(l.alert ?? 0)}`, '--warn-fill', '--warn');
  });
}

export function Lines(p: Props) {
  const { h, kind, label, lines, height = 150, chosen } = p;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const [at, setAt] = useState<number | null>(null);
  const [keys, setKeys] = useState(false);
  // The cursor moves often, figures change seldom.
  const [steps, tops] = useMemo(() => [stepsOf(p), topsOf(p)] as const, [h, p.tail?.until, chosen, lines[0]?.limit, lines[0]?.alert]);
  const sign = (i: number) => (kind.mirrored && i === 1 ? -1 : 1);
  const data = (): uPlot.AlignedData => {
    const xs = steps.flatMap(s => [s.from / 1000, (s.from + s.to) / 2000, s.to / 1000 - 0.001]);
    const drawnLines = chosen === undefined ? lines.map((_, i) => i) : [...lines.map((_, i) => i), chosen]; // the whole lies over its likes
    return [xs, ...drawnLines.map(i => steps.flatMap(s => Array<number | null>(EACH).fill((s.values[i] ?? null) === null ? null : sign(i) * s.values[i]! / tops[i])))];
  };
  const until = steps.length ? steps[steps.length - 1].to : h.to;
  const now = useRef({ p, tops, until, steps });
  now.current = { p, tops, until, steps };

  useEffect(() => {
    const make = () => {
      const [axis, grid, flowIn, flowOut, fillIn, fillOut] = colours('--ink-3', '--line', '--flow-in', '--flow-out', '--fill-in', '--fill-out');
      const font = '11px system-ui, sans-serif';
      const many = chosen !== undefined;
      plot.current?.destroy();
      plot.current = new uPlot({
        width: box.current!.clientWidth || 480, height, legend: { show: false }, padding: [8, 8, 0, 0],
        cursor: { y: false, points: { size: 6, show: many ? false : undefined }, sync: { key: 'history' }, drag: { x: false, y: false },
          dataIdx: (_u, _series, near) => near - near % EACH + 1 },
        scales: {
          x: { range: () => [now.current.p.h.from / 1000, now.current.until / 1000] },
          y: { range: () => [kind.mirrored ? -1.02 : 0, 1.02] },
        },
        axes: [
          { stroke: axis, grid: { show: false }, ticks: { show: false }, font, space: 64, size: 26, gap: 8, incrs: () => (inDays(now.current.p.h) ? DAYS : INCRS),
            values: (_u, vs) => vs.map(v => (inDays(now.current.p.h) ? day(v * 1000) : hm(v * 1000))) },
          { stroke: axis, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font, size: 74, splits: () => (kind.mirrored ? (height > 160 ? [-1, -0.5, 0, 0.5, 1] : [-1, 0, 1]) : [0, 0.5, 1]),
            values: (_u, vs) => vs.map(v => (v === 0 ? '0' : kind.format(Math.abs(v) * now.current.tops[v < 0 ? 1 : 0]))) },
        ],
        series: [{}, ...lines.map((_, i) => (many ? { points: { show: false }, stroke: flowOut, width: 1 }
          : { points: { show: false }, stroke: [flowIn, flowOut][i % 2], fill: [fillIn, fillOut][i % 2], width: 1.5 })),
        ...(many ? [{ points: { show: false }, stroke: flowIn, fill: fillIn, width: 1.5 }] : [])],
        hooks: {
          setCursor: [u => setAt(typeof u.cursor.idx === 'number' && u.cursor.left! >= 0 ? Math.floor(u.cursor.idx / EACH) : null)],
          draw: [u => drawLimits(u, now.current.p, now.current.tops)],
        },
      }, data(), box.current!);
    };
    make();
    const size = new ResizeObserver(() => plot.current?.setSize({ width: box.current!.clientWidth, height }));
    size.observe(box.current!);
    const theme = new MutationObserver(make);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    const media = matchMedia('(prefers-color-scheme: dark)');
    media.addEventListener('change', make);
    return () => { size.disconnect(); theme.disconnect(); media.removeEventListener('change', make); plot.current?.destroy(); plot.current = undefined; };
  }, [lines.map(l => l.name).join('\n')]);
  useEffect(() => { plot.current?.setData(data()); plot.current?.redraw(false, true); }, [h, chosen, p.tail?.until, lines[0]?.limit, lines[0]?.alert]);

  const move = (to: number | null) => {
    const u = plot.current;
    if (!u) return;
    const s = to === null ? undefined : steps[Math.max(0, Math.min(steps.length - 1, to))];
    // The third argument tells the other charts; the declared type does not know it.
    (u.setCursor as (at: { left: number; top: number }, fire: boolean, tell: boolean) => void)(s ? { left: u.valToPos((s.from + s.to) / 2000, 'x'), top: 1 } : { left: -10, top: -10 }, true, true);
  };
  const onKey = (e: KeyboardEvent) => {
    const from = at ?? steps.length - 1;
    const to = ({ ArrowLeft: from - 1, ArrowRight: from + 1, PageUp: from - 10, PageDown: from + 10, Home: 0, End: steps.length - 1 } as Record<string, number>)[e.key];
    if (to === undefined && e.key !== 'Escape') return;
    e.preventDefault();
    setKeys(true);
    move(to ?? null);
  };
  const most = lines.map((l, i) => `${l.name} at most ${kind.format(Math.max(0, p.tail?.values[i] ?? 0, ...known(l.values)))}`).join(', ');
  const newest = lines.map(l => { const v = l.values[lastKnown(l.values)]; return v === null || v === undefined ? '' : `${l.name} ${kind.format(v)}`; }).filter(Boolean).join(', ');
  const fires = lines.map(l => (l.alert ? ` An alert fires above ${kind.format(l.alert)}.` : '')).join('');
  return (
    <figure class="chart" tabIndex={0} aria-label={`${label}, ${kind.note}: ${most}${newest ? `; at the end ${newest}` : ''}.${fires} Arrow keys read it step by step.`}
      onKeyDown={onKey} onBlur={() => { if (keys) { setKeys(false); move(null); } }} onPointerEnter={() => setKeys(false)}>
      <Reading steps={steps} at={at} p={p} live={keys} />
      <div ref={box} aria-hidden="true" />
    </figure>
  );
}
