#!/bin/busybox sh
# Runs /vm/job and tells its status on the second serial port (/vm/port). /vm/mode says whether there is a person.

export PATH=/vm/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root FREEZER_LAB_EMULATED=1

cd /root || exit
port=/dev/$(cat /vm/port)
if [ "$(cat /vm/mode)" = shell ]; then
    stty -F $port sane 115200
    setsid -c sh -l <$port >$port 2>&1
    # Setting anything waits until all before it was sent.
    stty -F $port sane
else
    # Opened once: while the last of its users closes a terminal, an open may
    # fail with EAGAIN (tty_open(), drivers/tty/tty_io.c, 7.x; seen once).
    exec 3<>$port
    # As bytes, without a carriage return before each end of line.
    stty raw 115200 <&3
    # Text as in a file: no colours.
    TERM=dumb sh /vm/job </dev/null >&3 2>&1 3>&-
    printf '\036exit %s\n' $? >&3
    # Setting anything waits until all before it was sent, but not for ever (uart_wait_until_sent(), drivers/tty/serial,
    # 5.10): on a host with much else to do the status was lost once.
    stty raw <&3
    sleep 1
fi
poweroff -f
