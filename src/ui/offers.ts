/** What the footer offers. */
import { linksOf } from './drill-down.ts';
import type { CommandId } from './keymap.ts';
import type { Session } from './session.ts';

function hasMark({ picture, monitor, view }: Session): boolean {
  const panel = monitor.panels[view.focus];
  return (
    panel?.kind === 'log' && (picture?.logs.get(panel.log) ?? []).some(({ entry }) => entry.mark === true)
  );
}

/** Whether a command makes sense just now. */
export function isOffered(session: Session, command: CommandId): boolean {
  const { table, monitor, monitors, view, focusedKind, filtered } = session;
  switch (command) {
    case 'incidents':
      return session.incidents.length > 0;
    case 'goto':
      return monitors.length > 9;
    case 'command':
      return session.source.commands !== undefined;
    case 'jump':
      return focusedKind === 'log' ? hasMark(session) : linksOf(session).length > 0;
    case 'tree':
      return table?.panel.tree !== undefined;
    case 'sort-menu':
    case 'sort-left':
    case 'reverse':
      return table !== undefined && focusedKind !== 'stacks';
    case 'filter':
      return filtered !== undefined;
    case 'next-panel':
    case 'zoom':
      return monitor.panels.length > 1;
    case 'next-tab':
      return monitors.length > 1;
    case 'details': {
      const kind = monitor.panels[view.focus]?.kind;
      return kind === 'table' || kind === 'log';
    }
    case 'record':
      return session.source.recording !== undefined;
    case 'time-end':
      return session.place === 'past';
    case 'slower':
      return session.place === 'live';
    case 'mark-next':
      return (session.playback?.marks.length ?? 0) > 0;
    default:
      return true;
  }
}
