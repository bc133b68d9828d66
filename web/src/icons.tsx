// Line icons, 16 by 16, always beside a word.
const paths: Record<string, string> = {
  clusters: 'M1.5 5c2 0 2-1.5 4.3-1.5S8.6 5 10.5 5s2-1.5 4-1.5M1.5 9c2 0 2-1.5 4.3-1.5S8.6 9 10.5 9s2-1.5 4-1.5M1.5 13c2 0 2-1.5 4.3-1.5S8.6 13 10.5 13s2-1.5 4-1.5',
  overview: 'M2 2h5v7H2zM9 2h5v4H9zM9 8h5v6H9zM2 11h5v3H2z',
  topics: 'M2 3.5h12M2 8h12M2 12.5h8',
  groups: 'M1.5 8h4M5.5 8c3 0 2-4.5 5-4.5h4M5.5 8h9M5.5 8c3 0 2 4.5 5 4.5h4',
  metrics: 'M2 2v12h12M4.5 11l3-4 2.5 2 4-5.5',
  quotas: 'M2 12a6 6 0 1 1 12 0M8 12l3-4',
  access: 'M10.5 9.5a3.5 3.5 0 1 0-3.3-2.3L2 12.5V14h2v-1.5h1.5V11H7l1.3-1.3a3.5 3.5 0 0 0 2.2-.2z',
  limits: 'M2 3.5h12M2 8h12M2 12.5h12M6 2v3M10.5 6.5v3M4.5 11v3', plans: 'M2 2.5h5v5H2zM9 2.5h5v5H9zM2 9.5h5v4H2zM9 9.5h5v4H9z',
  requests: 'M2 3h12v8H8.5L5 14v-3H2zM5 6h6M5 8.5h4', environments: 'M8 1.5 14.5 5 8 8.5 1.5 5zM1.5 8 8 11.5 14.5 8M1.5 11 8 14.5 14.5 11',
  alerts: 'M3.5 11.5c1-1 1-2 1-4a3.5 3.5 0 0 1 7 0c0 2 0 3 1 4zM6.5 13.5a1.6 1.6 0 0 0 3 0M8 4V2.5',
  costs: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.5v7M10 6.3c-.5-.5-1.2-.7-2-.7-1.1 0-2 .5-2 1.3 0 1.8 4 .7 4 2.4 0 .8-.9 1.3-2 1.3-.8 0-1.5-.3-2-.8', security: 'M8 1.5 13.5 4v4c0 3.2-2.3 5.6-5.5 6.5C4.8 13.6 2.5 11.2 2.5 8V4zM5.5 8l2 2 3-3.5',
  processes: 'M4.5 4.5h7v7h-7zM6.5 2v2.5M9.5 2v2.5M6.5 11.5V14M9.5 11.5V14M2 6.5h2.5M2 9.5h2.5M11.5 6.5H14M11.5 9.5H14', logs: 'M2 2.5h12v11H2zM4.5 6l2 2-2 2M8.5 10.5h3',
  backups: 'M2 3h12v3.5H2zM3 6.5v7h10v-7M6.5 9h3', service: 'M2 2.5h12v4.5H2zM2 9h12v4.5H2zM4.5 4.8h.01M4.5 11.3h.01M7 4.8h4.5M7 11.3h4.5',
  audit: 'M3 1.5h7l3 3v10H3zM9.5 1.5V5H13M5.5 8h5M5.5 11h5',
  plus: 'M8 2.5v11M2.5 8h11', trash: 'M2.5 4h11M6 4V2.5h4V4M4 4l.7 9.5h6.6L12 4',
  code: 'M5 4 1.5 8 5 12M11 4l3.5 4L11 12M9.3 2.5 6.7 13.5', plug: 'M5.5 2v3.5M10.5 2v3.5M3.5 5.5h9V8a4.5 4.5 0 0 1-9 0zM8 12.5V15',
  copy: 'M5.5 5.5h8v8h-8zM5.5 10.5h-3v-8h8v3', search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.7 10.7 14 14',
  theme: 'M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 2.5v11M10 3v10M12 4.3v7.4', updown: 'M5 6l3-3 3 3M5 10l3 3 3-3', right: 'M2.5 8h11M9.5 4l4 4-4 4', down: 'M8 2.5v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11', deny: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM3.8 3.8l8.4 8.4', out: 'M6 2.5H2.5v11H6M10.5 5l3 3-3 3M13.5 8H6', back: 'M9.5 3 4.5 8l5 5',
  play: 'M4.5 2.5 13 8l-8.5 5.5z', pencil: 'M11 2.5 13.5 5 5.5 13 2 14l1-3.5z', restart: 'M13.5 8a5.5 5.5 0 1 1-1.6-3.9M13.5 2v3h-3', close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  dot: 'M8 4.2a3.8 3.8 0 1 0 0 7.6 3.8 3.8 0 0 0 0-7.6z', again: 'M13 8a5 5 0 1 1-1.5-3.6M13 2.5v3h-3', care: 'M8 2.5 14.2 13H1.8zM8 6.5v3M8 11.3v.01',
  broken: 'M5.3 2h5.4L14 5.3v5.4L10.7 14H5.3L2 10.7V5.3zM8 5v3.5M8 11v.01', pause: 'M5.5 3.5v9M10.5 3.5v9',
};
export const Icon = ({ name }: { name: string }) => (
  <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d={paths[name] || ''} /></svg>
);
export const Mark = () => (
  <svg class="mark" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
    <path d="M4 3v11a7 7 0 0 0 7 7h9" /><path d="M10 3v8a4 4 0 0 0 4 4h6" /><path d="M16 3v5a1 1 0 0 0 1 1h3" />
  </svg>
);
