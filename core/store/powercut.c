/* What is written stays in the process until SQLite calls for a flush, as it would stay in the page cache of a machine
 * that loses its power. */
#include "store/powercut.h"

#ifdef STOA_FAULTS

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "base/buffer.h"

/* The whole file as the process sees it; the real one is what was flushed. */
struct image {
    sqlite3_file base;
    struct buffer bytes;
    size_t dirty_from, dirty_to;
    bool was_cut; /* shortened since the last flush */
    sqlite3_file *real;
};

static struct image *image_of(sqlite3_file *file) {
    return (struct image *)file;
}

/* SQLite writes no more than 128 KiB at once. */
enum { PIECE_BYTES = 1 << 16 };

static int flush(struct image *image, int flags) {
    const sqlite3_io_methods *real = image->real->pMethods;
    int result = image->was_cut ? real->xTruncate(image->real, (sqlite3_int64)image->bytes.len) : SQLITE_OK;
    while (result == SQLITE_OK && image->dirty_from < image->dirty_to) {
        size_t len = image->dirty_to - image->dirty_from;
        if (len > PIECE_BYTES) len = PIECE_BYTES;
        const char *from = image->bytes.ptr + image->dirty_from;
        result = real->xWrite(image->real, from, (int)len, (sqlite3_int64)image->dirty_from);
        image->dirty_from += len;
    }
    if (result != SQLITE_OK) return result;
    image->was_cut = false;
    image->dirty_from = image->dirty_to = 0;
    return real->xSync(image->real, flags);
}

static int image_read(sqlite3_file *file, void *out, int len, sqlite3_int64 offset) {
    struct image *image = image_of(file);
    size_t start = (size_t)offset, wanted = (size_t)len;
    size_t there = start < image->bytes.len ? image->bytes.len - start : 0;
    if (there > wanted) there = wanted;
    if (there) memcpy(out, image->bytes.ptr + start, there);
    memset((char *)out + there, 0, wanted - there);
    return there == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int image_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 offset) {
    struct image *image = image_of(file);
    size_t start = (size_t)offset, end = start + (size_t)len;
    if (end > image->bytes.len) {
        buffer_reserve(&image->bytes, end - image->bytes.len);
        if (start > image->bytes.len) memset(image->bytes.ptr + image->bytes.len, 0, start - image->bytes.len);
        /* A hole before it is written too. */
        if (start > image->bytes.len) start = image->bytes.len;
        image->bytes.len = end;
    }
    memcpy(image->bytes.ptr + offset, bytes, (size_t)len);
    bool is_clean = image->dirty_from == image->dirty_to;
    if (is_clean || start < image->dirty_from) image->dirty_from = start;
    if (is_clean || end > image->dirty_to) image->dirty_to = end;
    return SQLITE_OK;
}

static int image_truncate(sqlite3_file *file, sqlite3_int64 size) {
    struct image *image = image_of(file);
    if ((size_t)size >= image->bytes.len) return SQLITE_OK;
    image->bytes.len = (size_t)size;
    image->was_cut = true;
    if (image->dirty_to > image->bytes.len) image->dirty_to = image->bytes.len;
    if (image->dirty_from > image->dirty_to) image->dirty_from = image->dirty_to;
    return SQLITE_OK;
}

static int image_sync(sqlite3_file *file, int flags) {
    return flush(image_of(file), flags);
}

static int image_size(sqlite3_file *file, sqlite3_int64 *size) {
    *size = (sqlite3_int64)image_of(file)->bytes.len;
    return SQLITE_OK;
}

/* A process that ends in order leaves its writes to the system. */
static int image_close(sqlite3_file *file) {
    struct image *image = image_of(file);
    int result = flush(image, SQLITE_SYNC_NORMAL);
    int closed = image->real->pMethods->xClose(image->real);
    buffer_done(&image->bytes);
    free(image->real);
    return result == SQLITE_OK ? closed : result;
}

#define REAL(file) (image_of(file)->real)

static int image_lock(sqlite3_file *file, int level) {
    return REAL(file)->pMethods->xLock(REAL(file), level);
}
static int image_unlock(sqlite3_file *file, int level) {
    return REAL(file)->pMethods->xUnlock(REAL(file), level);
}
static int image_reserved(sqlite3_file *file, int *out) {
    return REAL(file)->pMethods->xCheckReservedLock(REAL(file), out);
}
static int image_control(sqlite3_file *file, int op, void *argument) {
    return op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE
               ? SQLITE_OK
               : REAL(file)->pMethods->xFileControl(REAL(file), op, argument);
}
static int image_sector(sqlite3_file *file) {
    return REAL(file)->pMethods->xSectorSize(REAL(file));
}
static int image_device(sqlite3_file *file) {
    return REAL(file)->pMethods->xDeviceCharacteristics(REAL(file));
}
static int image_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out) {
    return REAL(file)->pMethods->xShmMap(REAL(file), page, size, extend, out);
}
static int image_shm_lock(sqlite3_file *file, int offset, int n, int flags) {
    return REAL(file)->pMethods->xShmLock(REAL(file), offset, n, flags);
}
static void image_shm_barrier(sqlite3_file *file) {
    REAL(file)->pMethods->xShmBarrier(REAL(file));
}
static int image_shm_unmap(sqlite3_file *file, int remove) {
    return REAL(file)->pMethods->xShmUnmap(REAL(file), remove);
}

/* Version 2: shared memory, no mapped files. */
static const sqlite3_io_methods image_methods = {
    2,
    image_close,
    image_read,
    image_write,
    image_truncate,
    image_sync,
    image_size,
    image_lock,
    image_unlock,
    image_reserved,
    image_control,
    image_sector,
    image_device,
    image_shm_map,
    image_shm_lock,
    image_shm_barrier,
    image_shm_unmap,
    NULL,
    NULL,
};

static int load(struct image *image) {
    sqlite3_int64 size;
    int result = image->real->pMethods->xFileSize(image->real, &size);
    if (result != SQLITE_OK || size == 0) return result;
    buffer_reserve(&image->bytes, (size_t)size);
    image->bytes.len = (size_t)size;
    return image->real->pMethods->xRead(image->real, image->bytes.ptr, (int)size, 0);
}

static int powercut_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_r) {
    sqlite3_vfs *real = vfs->pAppData;
    if (!(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)))
        return real->xOpen(real, name, file, flags, flags_r);
    struct image *image = image_of(file);
    *image = (struct image){.real = memory_new((size_t)real->szOsFile)};
    int result = real->xOpen(real, name, image->real, flags, flags_r);
    if (result == SQLITE_OK) result = load(image);
    if (result == SQLITE_OK) {
        image->base.pMethods = &image_methods;
        return SQLITE_OK;
    }
    if (image->real->pMethods) image->real->pMethods->xClose(image->real);
    buffer_done(&image->bytes);
    free(image->real);
    return result;
}

/* The registered VFS: written once, before anything reads it. */
static sqlite3_vfs powercut;

static void make_vfs(void) {
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    powercut = *real;
    powercut.zName = "powercut";
    powercut.pAppData = real;
    powercut.xOpen = powercut_open;
    if (powercut.szOsFile < (int)sizeof(struct image)) powercut.szOsFile = sizeof(struct image);
    sqlite3_vfs_register(&powercut, 0);
}

const char *powercut_vfs(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!getenv("STOA_POWERCUT")) return NULL;
    pthread_once(&once, make_vfs);
    return powercut.zName;
}

#else
/* ISO C wants a declaration. */
typedef int powercut_is_left_out;
#endif
