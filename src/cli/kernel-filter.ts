/** --filter and the filters behind -e, of monitors that hand them to the kernel: in the language of docs/filters.md too. */
import type { EventFormat } from '../filter/event-format.ts';
import { FilterError, filterText } from '../filter/expression.ts';
import { splitFilter } from '../filter/kernel.ts';
import { parseFilter } from '../filter/parse.ts';
import type { EventChoice, Monitor, Options } from '../monitors/monitor.ts';
import { UsageError } from './usage-error.ts';
import { quote } from './values.ts';

/** What only the kernel's own language has: it knows best what is wrong with it. */
const OWN_TO_KERNEL = /==|&&|\|\||&|CPUS\{|^\s*!/;

/**
 * The filter of an event as the kernel takes it; one in its own words stays as it is. Throws a UsageError for what is wrong,
 * and for what no kernel can decide.
 */
export function kernelFilter(text: string, format: EventFormat): string {
  try {
    const split = splitFilter(parseFilter(text), format);
    const here = split.inKtop;
    if (here !== undefined)
      throw new UsageError(
        `the filter ${quote(text)}: the kernel cannot decide ${quote(filterText(here))}; compare fields of ${format.event}, comm, tid or cpu, or use ktop watch`,
      );
    return split.kernel ?? text;
  } catch (error) {
    if (OWN_TO_KERNEL.test(text)) return text;
    if (error instanceof FilterError) throw new UsageError(`the filter ${quote(text)}: ${error.message}`);
    throw error;
  }
}

/** The events with their filters, that of all among them. `formatOf`: undefined where the event is not known. */
export function withKernelFilters(
  events: readonly EventChoice[],
  filter: string | undefined,
  formatOf: (event: string) => EventFormat | undefined,
): readonly EventChoice[] {
  return events.map((event) => {
    const format = formatOf(event.name);
    const texts = [event.filter, filter].filter((text): text is string => text !== undefined && text !== '');
    // Without its fields nothing can be said; the one who opens it will.
    const all = format === undefined ? texts : texts.map((text) => kernelFilter(text, format));
    if (all.length === 0) return event;
    return {
      ...event,
      filter: all.length === 1 ? (all[0] as string) : all.map((text) => `(${text})`).join('&&'),
    };
  });
}

/** The options of such a monitor with their filters as the kernel takes them. */
export function kernelOptions(
  monitor: Monitor,
  options: Options,
  formatOf: (event: string) => EventFormat | undefined,
): Options {
  if (monitor.kernel_filter !== true) return options;
  const { filter, ...others } = options;
  const events: readonly EventChoice[] =
    options.events ??
    monitor
      .plan({ interval_ms: options.interval_ms })
      .events.flatMap(({ names }) => names.slice(0, 1).map((name) => ({ name })));
  if (filter === undefined && events.every((event) => event.filter === undefined)) return options;
  return { ...others, events: withKernelFilters(events, filter, formatOf) };
}
