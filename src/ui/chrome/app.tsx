/** The frame around the surfaces: tabs, cards, menu, footer. Laid out by Ink, never told about data. */
import { Box, type DOMElement, measureElement, Text } from 'ink';
import { useLayoutEffect, useRef } from 'react';
import { fitHints } from '../keymap.ts';
import {
  type ChromeView,
  LEAST_COLUMNS,
  LEAST_ROWS,
  type Rectangle,
  type SurfaceName,
  type Tab,
} from './chrome-view.ts';
import { tabsThatFit } from './tab-bar.ts';

export interface AppProps {
  readonly view: ChromeView;
  readonly onSurface: (name: SurfaceName, rectangle: Rectangle | undefined) => void;
}

export function App({ view, onSurface }: AppProps) {
  if (view.columns < LEAST_COLUMNS || view.rows < LEAST_ROWS) return <TooSmall view={view} />;
  return (
    <Box flexDirection="column" width={view.columns} height={view.rows}>
      <TabBar view={view} />
      <Surface name="status" height={2} onSurface={onSurface} />
      {view.notesLines > 0 && <Surface name="notes" height={view.notesLines} onSurface={onSurface} />}
      {view.card !== undefined && <Card view={view} card={view.card} />}
      <Box flexGrow={1} flexBasis={0} flexDirection="row" overflow="hidden">
        {view.menu !== undefined && <Menu view={view} menu={view.menu} />}
        <Surface name="body" onSurface={onSurface} />
      </Box>
      {view.timeline && <Surface name="timeline" height={1} onSurface={onSurface} />}
      <Footer view={view} />
    </Box>
  );
}

/** An empty box; tells where it came to lie. */
function Surface({
  name,
  height,
  onSurface,
}: {
  readonly name: SurfaceName;
  readonly height?: number;
  readonly onSurface: AppProps['onSurface'];
}) {
  const box = useRef<DOMElement>(null);
  useLayoutEffect(() => {
    if (box.current !== null) onSurface(name, measureElement(box.current));
  });
  useLayoutEffect(() => () => onSurface(name, undefined), [name, onSurface]);
  return <Box ref={box} flexGrow={height === undefined ? 1 : 0} flexShrink={0} height={height} />;
}

function TabBar({ view }: { readonly view: ChromeView }) {
  const { tabs, before, after } = tabsThatFit(view.tabs, view.columns);
  const shown = (tab: Tab) => (
    <Box key={tab.label} flexShrink={0}>
      <Text inverse={tab.active} bold={tab.active} wrap="truncate">
        {` ${tab.label} `}
      </Text>
    </Box>
  );
  return (
    <Box height={1} flexShrink={0}>
      {before > 0 && <Text dimColor>{`<${before}`}</Text>}
      {tabs.filter(({ pinned }) => !pinned).map(shown)}
      {after > 0 && <Text dimColor>{`${after}>`}</Text>}
      {tabs.filter(({ pinned }) => pinned).map(shown)}
    </Box>
  );
}

function Card({ view, card }: { readonly view: ChromeView; readonly card: NonNullable<ChromeView['card']> }) {
  return (
    <Box
      flexShrink={0}
      flexDirection="column"
      borderStyle={view.ascii ? 'classic' : 'round'}
      borderColor="red"
      paddingX={1}
      marginX={1}
    >
      <Text bold color="red">
        {card.title}
      </Text>
      <Text wrap="wrap">{card.text}</Text>
      <Text dimColor>{card.hint}</Text>
    </Box>
  );
}

function Menu({ view, menu }: { readonly view: ChromeView; readonly menu: NonNullable<ChromeView['menu']> }) {
  const width = Math.max(menu.title.length, 14, ...menu.items.map((item) => item.length)) + 4;
  const most = Math.max(1, view.rows - 10);
  const first = Math.max(0, Math.min(menu.index - (most >> 1), menu.items.length - most));
  const part = menu.items.length > most ? `  ${first + 1}–${first + most} of ${menu.items.length}` : '';
  return (
    <Box flexShrink={0} flexDirection="column" width={width} marginRight={1}>
      <Text bold color="cyan" wrap="truncate">
        {` ${menu.title}${view.ascii ? part.replace('–', '-') : part}`}
      </Text>
      {menu.items.slice(first, first + most).map((item, offset) => {
        const chosen = first + offset === menu.index;
        return (
          <Text key={item} inverse={chosen} wrap="truncate">
            {`${chosen ? '>' : ' '} ${item}`.padEnd(width)}
          </Text>
        );
      })}
    </Box>
  );
}

function Footer({ view }: { readonly view: ChromeView }) {
  const { footer } = view;
  if (footer.kind === 'prompt') {
    return (
      <Box height={1} flexShrink={0}>
        <Box flexShrink={0}>
          <Text bold color="cyan">
            {` ${footer.label}: `}
          </Text>
        </Box>
        <Text wrap="truncate-start">{footer.text}</Text>
        <Box flexShrink={0}>
          <Text inverse> </Text>
        </Box>
        <Box flexGrow={1} />
        <Text dimColor wrap="truncate">
          {`  ${footer.about}`}
        </Text>
        <Box flexShrink={0}>
          <Text dimColor>{`  ${footer.hint} `}</Text>
        </Box>
      </Box>
    );
  }
  const messageWidth = footer.message === '' ? 0 : footer.message.length + 2;
  return (
    <Box height={1} flexShrink={0}>
      <Text> </Text>
      {fitHints(footer.hints, view.columns - messageWidth).map(({ key, text }) => (
        <Box key={key} flexShrink={0}>
          <Text bold color="cyan">
            {key}
          </Text>
          <Text dimColor>{` ${text}  `}</Text>
        </Box>
      ))}
      <Box flexGrow={1} />
      {footer.message !== '' && <Text bold wrap="truncate">{`${footer.message} `}</Text>}
    </Box>
  );
}

function TooSmall({ view }: { readonly view: ChromeView }) {
  return (
    <Box
      width={view.columns}
      height={view.rows}
      alignItems="center"
      justifyContent="center"
      flexDirection="column"
    >
      <Text bold>Window too small</Text>
      <Text>{`${view.columns}x${view.rows}, ktop needs ${LEAST_COLUMNS}x${LEAST_ROWS}`}</Text>
      <Text dimColor>q quits</Text>
    </Box>
  );
}
