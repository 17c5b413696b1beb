/* main.c: the command line. */
#include <stdio.h>

int main(void)
{
    puts("saffron");
    return 0;
}
