// Builds the page into dist/: index.html, and below dist/playground/ one file per chunk, each also as .br and .gz.
//
// Compressing happens here, once, because Node brings both coders: the router serves the bytes as they are and needs
// no compressor of its own.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { defineConfig } from 'vite';

const brotli = promisify(zlib.brotliCompress);
const gzip = promisify(zlib.gzip);
const ASSETS = 'playground';

/** Writes `<asset>.br` and `<asset>.gz` beside every asset. */
function precompress() {
  let outDir;
  return {
    name: 'precompress',
    apply: 'build',
    configResolved(config) {
      outDir = config.build.outDir;
    },
    async closeBundle() {
      const folder = join(outDir, ASSETS);
      const names = (await readdir(folder)).filter((name) => !/\.(br|gz)$/.test(name));
      await Promise.all(names.map((name) => compress(join(folder, name))));
    },
  };
}

async function compress(path) {
  const bytes = await readFile(path);
  const params = {
    // 9 of 11: the last two steps save 3 % and take four times as long.
    [zlib.constants.BROTLI_PARAM_QUALITY]: 9,
    [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  await Promise.all([
    brotli(bytes, { params }).then((small) => writeFile(`${path}.br`, small)),
    gzip(bytes, { level: 9 }).then((small) => writeFile(`${path}.gz`, small)),
  ]);
}

export default defineConfig({
  // Relative, so that the page works under any prefix an edge may put before it.
  base: './',
  plugins: [precompress()],
  build: {
    outDir: 'dist',
    assetsDir: ASSETS,
    target: 'es2022',
    // Monaco, the editor, is one chunk of about 3 MB; it is cached for good by its name.
    chunkSizeWarningLimit: 4096,
    reportCompressedSize: false,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      // "use client" in dependencies means nothing in a page that is rendered by the browser alone.
      onwarn: (warning, warn) => warning.code !== 'MODULE_LEVEL_DIRECTIVE' && warn(warning),
    },
    // Inlined files would need `data:` in the Content-Security-Policy.
    assetsInlineLimit: 0,
  },
  worker: { format: 'es' },
  // `npm run dev` asks a router that is already running.
  server: { proxy: { '/graphql': 'http://127.0.0.1:4000' } },
});
