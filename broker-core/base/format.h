/* format.h - the format of a broker's data folder, as a whole. What is told apart by it stands in
 * storage/FORMAT.md, "Format". A program writes the newest two and refuses what is newer; a folder stays in
 * the format it has until somebody confirms the upgrade, so that one may go back until then. */
#pragma once

#define FORMAT_OLDEST 1
#define FORMAT_NEWEST 2
