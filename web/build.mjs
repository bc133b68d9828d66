// Bundles the console into dist/: index.html, app.js, app.css. Nothing is inlined, so that a strict
// content policy holds.
import { build } from 'esbuild';
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises';

// The folder itself stays: a leatd that runs serves from it.
await mkdir('dist', { recursive: true });
for (const name of await readdir('dist')) await rm(`dist/${name}`, { recursive: true });
await build({
  entryPoints: { app: 'src/main.tsx' },
  outdir: 'dist', bundle: true, minify: true, sourcemap: false, format: 'iife', target: ['es2022'],
  jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none',
});
await copyFile('src/index.html', 'dist/index.html');
await copyFile('src/mark.svg', 'dist/mark.svg');
