"""Shows frames through ncurses: a file of {"frames": [[[text, fg, bold, dim, underline, inverse], ...] per line]}.

One byte is read from the terminal before each frame but the first; the program that reads this one's terminal counts what
comes for each. Ends with the input.
"""
import curses
import json
import sys

ATTRIBUTES = (curses.A_BOLD, curses.A_DIM, curses.A_UNDERLINE, curses.A_REVERSE)


def show(screen, frame):
    screen.erase()
    for y, line in enumerate(frame):
        x = 0
        for text, fg, *flags in line:
            style = curses.color_pair(fg + 1)
            for flag, attribute in zip(flags, ATTRIBUTES):
                if flag:
                    style |= attribute
            try:
                screen.addstr(y, x, text, style)
            except curses.error:
                pass  # the last cell of the last line: written, but the cursor has nowhere to go
            x += len(text)
    screen.refresh()


def main(screen):
    curses.use_default_colors()
    curses.curs_set(0)
    for colour in range(min(256, curses.COLORS)):
        curses.init_pair(colour + 1, colour, -1)
    with open(sys.argv[1], encoding="utf-8") as file:
        frames = json.load(file)["frames"]
    for frame in frames:
        show(screen, frame)
        screen.getch()


curses.wrapper(main)
