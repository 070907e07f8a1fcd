/** The version, from the one place where it is written, and what is known of the build. */
import manifest from '../../package.json' with { type: 'json' };

/** Set by the build; absent in tests, which run the sources. */
declare const KTOP_COMMIT: string | undefined;

export const VERSION: string = manifest.version;

/** The text of --version: first line name and version, then facts of the build; ends with a line feed. */
export function versionText(): string {
  const commit = typeof KTOP_COMMIT === 'string' ? KTOP_COMMIT : '';
  const node = process.env.KTOP_PACKED === '1' ? 'carried in this executable' : `from ${process.execPath}`;
  return [
    `ktop ${VERSION}`,
    `commit ${commit === '' ? 'unknown' : commit}, for ${process.platform}-${process.arch}`,
    `Node.js ${process.versions.node} (${node}), Node-API ${process.versions.napi}`,
    '',
  ].join('\n');
}
