/* SPDX-License-Identifier: Apache-2.0 */
/* Writes stay in the process until SQLite flushes, as they would stay in the page cache of a machine that loses power.
 * All connections of the process see them. */
#include "store/sqlite/powercut.h"

#ifdef STOA_FAULTS

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "base/buffer.h"

/* The whole file as the process sees it; the real file holds what was flushed. */
struct image {
    char *name;
    unsigned handles;
    struct buffer bytes;
    size_t dirty_from, dirty_to;
    bool was_cut; /* truncated since the last flush */
    struct image *next;
};

struct handle {
    sqlite3_file base;
    struct image *image;
    sqlite3_file *real;
};

/* Guards all images: connections belong to different threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct image *images;

static struct handle *handle_of(sqlite3_file *file) {
    return (struct handle *)file;
}

static struct image *image_of(sqlite3_file *file) {
    return handle_of(file)->image;
}

/* SQLite writes at most 128 KiB at once. */
enum { PIECE_BYTES = 1 << 16 };

static int flush(struct image *image, sqlite3_file *file, int flags) {
    const sqlite3_io_methods *real = file->pMethods;
    int result = image->was_cut ? real->xTruncate(file, (sqlite3_int64)image->bytes.len) : SQLITE_OK;
    while (result == SQLITE_OK && image->dirty_from < image->dirty_to) {
        size_t len = image->dirty_to - image->dirty_from;
        if (len > PIECE_BYTES) len = PIECE_BYTES;
        const char *from = image->bytes.ptr + image->dirty_from;
        result = real->xWrite(file, from, (int)len, (sqlite3_int64)image->dirty_from);
        image->dirty_from += len;
    }
    if (result != SQLITE_OK) return result;
    image->was_cut = false;
    image->dirty_from = image->dirty_to = 0;
    return real->xSync(file, flags);
}

static int image_read(sqlite3_file *file, void *out, int len, sqlite3_int64 offset) {
    struct image *image = image_of(file);
    size_t start = (size_t)offset, wanted = (size_t)len;
    pthread_mutex_lock(&lock);
    size_t there = start < image->bytes.len ? image->bytes.len - start : 0;
    if (there > wanted) there = wanted;
    if (there) memcpy(out, image->bytes.ptr + start, there);
    pthread_mutex_unlock(&lock);
    memset((char *)out + there, 0, wanted - there);
    return there == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int image_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 offset) {
    struct image *image = image_of(file);
    size_t start = (size_t)offset, end = start + (size_t)len;
    pthread_mutex_lock(&lock);
    if (end > image->bytes.len) {
        buffer_reserve(&image->bytes, end - image->bytes.len);
        if (start > image->bytes.len) memset(image->bytes.ptr + image->bytes.len, 0, start - image->bytes.len);
        /* Also writes any hole before it. */
        if (start > image->bytes.len) start = image->bytes.len;
        image->bytes.len = end;
    }
    memcpy(image->bytes.ptr + offset, bytes, (size_t)len);
    bool is_clean = image->dirty_from == image->dirty_to;
    if (is_clean || start < image->dirty_from) image->dirty_from = start;
    if (is_clean || end > image->dirty_to) image->dirty_to = end;
    pthread_mutex_unlock(&lock);
    return SQLITE_OK;
}

static int image_truncate(sqlite3_file *file, sqlite3_int64 size) {
    struct image *image = image_of(file);
    pthread_mutex_lock(&lock);
    if ((size_t)size < image->bytes.len) {
        image->bytes.len = (size_t)size;
        image->was_cut = true;
        if (image->dirty_to > image->bytes.len) image->dirty_to = image->bytes.len;
        if (image->dirty_from > image->dirty_to) image->dirty_from = image->dirty_to;
    }
    pthread_mutex_unlock(&lock);
    return SQLITE_OK;
}

static int image_sync(sqlite3_file *file, int flags) {
    pthread_mutex_lock(&lock);
    int result = flush(image_of(file), handle_of(file)->real, flags);
    pthread_mutex_unlock(&lock);
    return result;
}

static int image_size(sqlite3_file *file, sqlite3_int64 *size) {
    pthread_mutex_lock(&lock);
    *size = (sqlite3_int64)image_of(file)->bytes.len;
    pthread_mutex_unlock(&lock);
    return SQLITE_OK;
}

static void release(struct image *image) {
    struct image **at = &images;
    if (--image->handles > 0) return;
    while (*at != image) at = &(*at)->next;
    *at = image->next;
    buffer_done(&image->bytes);
    free(image->name);
    free(image);
}

/* A process that ends normally hands its writes to the system. */
static int image_close(sqlite3_file *file) {
    struct handle *handle = handle_of(file);
    pthread_mutex_lock(&lock);
    int result = handle->image->handles == 1 ? flush(handle->image, handle->real, SQLITE_SYNC_NORMAL) : SQLITE_OK;
    release(handle->image);
    pthread_mutex_unlock(&lock);
    int closed = handle->real->pMethods->xClose(handle->real);
    free(handle->real);
    return result == SQLITE_OK ? closed : result;
}

#define REAL(file) (handle_of(file)->real)

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

static int load(struct image *image, sqlite3_file *file) {
    sqlite3_int64 size;
    int result = file->pMethods->xFileSize(file, &size);
    if (result != SQLITE_OK || size == 0) return result;
    buffer_reserve(&image->bytes, (size_t)size);
    image->bytes.len = (size_t)size;
    return file->pMethods->xRead(file, image->bytes.ptr, (int)size, 0);
}

/* The existing image of this name, or a new one. */
static int find_image(const char *name, sqlite3_file *file, struct image **image_r) {
    int result = SQLITE_OK;
    struct image *image = images;
    while (image && strcmp(image->name, name) != 0) image = image->next;
    if (!image) {
        image = NEW(struct image);
        *image = (struct image){.name = memory_copy(name, strlen(name)), .next = images};
        images = image;
        result = load(image, file);
    }
    image->handles++;
    if (result == SQLITE_OK)
        *image_r = image;
    else
        release(image);
    return result;
}

static int powercut_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_r) {
    sqlite3_vfs *real = vfs->pAppData;
    if (!(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)))
        return real->xOpen(real, name, file, flags, flags_r);
    struct handle *handle = handle_of(file);
    *handle = (struct handle){.real = memory_new((size_t)real->szOsFile)};
    int result = real->xOpen(real, name, handle->real, flags, flags_r);
    pthread_mutex_lock(&lock);
    if (result == SQLITE_OK) result = find_image(name, handle->real, &handle->image);
    pthread_mutex_unlock(&lock);
    if (result == SQLITE_OK) {
        handle->base.pMethods = &image_methods;
        return SQLITE_OK;
    }
    if (handle->real->pMethods) handle->real->pMethods->xClose(handle->real);
    free(handle->real);
    return result;
}

/* The registered VFS: written once, before any use. */
static sqlite3_vfs powercut;

static void make_vfs(void) {
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    powercut = *real;
    powercut.zName = "powercut";
    powercut.pAppData = real;
    powercut.xOpen = powercut_open;
    if (powercut.szOsFile < (int)sizeof(struct handle)) powercut.szOsFile = sizeof(struct handle);
    sqlite3_vfs_register(&powercut, 0);
}

const char *powercut_vfs(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!getenv("STOA_POWERCUT")) return NULL;
    pthread_once(&once, make_vfs);
    return powercut.zName;
}

#else
/* ISO C requires a declaration in each file. */
typedef int powercut_is_left_out;
#endif
