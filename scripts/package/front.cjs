/**
 * What the single executable runs first: unpacks what it carries, once for each version, and starts it. Node's embedded
 * main has to be CommonJS, and an addon can only be loaded from a file.
 */
'use strict';
const fs = require('node:fs');
const { createRequire } = require('node:module');
const os = require('node:os');
const path = require('node:path');
const sea = require('node:sea');

/** Written last: what has it is whole. */
const COMPLETE = '.complete';
const { id, files } = JSON.parse(sea.getAsset('manifest', 'utf8'));
const uid = process.getuid();

/** Nobody but us and root can change what this path leads to: every directory on the way is ours or root's. */
function isOurs(directory) {
  for (let at = directory; ; at = path.dirname(at)) {
    const stat = fs.lstatSync(at, { throwIfNoEntry: false });
    if (stat !== undefined) {
      if (!stat.isDirectory() || (stat.uid !== 0 && stat.uid !== uid)) return false;
      const isSticky = (stat.mode & 0o1000) !== 0 && at !== directory;
      if ((stat.mode & 0o022) !== 0 && !isSticky) return false;
    }
    if (at === path.dirname(at)) return true;
  }
}

function write(directory) {
  for (const name of files) {
    const file = path.join(directory, name);
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    fs.writeFileSync(file, Buffer.from(sea.getRawAsset(name)), { mode: 0o600 });
  }
  fs.writeFileSync(path.join(directory, COMPLETE), '', { mode: 0o600 });
}

/** The directory of this version below `cache`, unpacked if it is not; undefined where that cannot be. */
function kept(cache) {
  const directory = path.join(cache, id);
  try {
    if (!isOurs(directory)) return undefined;
    if (!fs.existsSync(path.join(directory, COMPLETE))) {
      fs.mkdirSync(cache, { recursive: true, mode: 0o700 });
      const fresh = fs.mkdtempSync(`${directory}-`);
      try {
        write(fresh);
        fs.renameSync(fresh, directory);
      } catch (error) {
        fs.rmSync(fresh, { recursive: true, force: true });
        // Another one was faster.
        if (!fs.existsSync(path.join(directory, COMPLETE))) throw error;
      }
    }
    return directory;
  } catch {
    return undefined;
  }
}

/** For this run only. */
function temporary() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ktop-'));
  process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }));
  write(directory);
  return directory;
}

function caches() {
  const { XDG_CACHE_HOME, HOME } = process.env;
  const own = XDG_CACHE_HOME || (HOME && path.join(HOME, '.cache'));
  const shared = uid === 0 ? ['/var/cache'] : [];
  return [...shared, ...(own && path.isAbsolute(own) ? [own] : [])].map((base) => path.join(base, 'ktop'));
}

function place() {
  for (const cache of caches()) {
    const directory = kept(cache);
    if (directory !== undefined) return directory;
  }
  return temporary();
}

try {
  const directory = place();
  process.argv[1] = path.join(directory, 'dist/main.mjs');
  process.env.KTOP_PACKED = '1';
  createRequire(process.argv[1])('./start.cjs');
} catch (error) {
  process.stderr.write(
    `ktop: cannot unpack itself (${error.message}); it needs 5 MB in ~/.cache or ${os.tmpdir()}\n`,
  );
  process.exit(3);
}
