#include "registry/download/file_download.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>

#include "registry/download/file_lock.hpp"
#include "registry/download/partial_file.hpp"

namespace gantry::download {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::milliseconds kCheckpointTime{250};
constexpr uint64_t kCheckpointBytes = uint64_t{64} << 20;

Error stopped() { return {Code::kCancelled, "the download was stopped"}; }

/// What the client's thread tells the downloading one.
struct Ends {
    struct End {
        size_t segment = 0;
        Result<HttpReply> result;
        std::optional<Error> disk;
        bool whole = false;  ///< the host gave all of the file instead of a part
    };
    std::mutex mutex;
    std::condition_variable_any changed;
    std::deque<End> ends;
};

/// The transfers of one file; ends them all when it goes.
class Run {
  public:
    Run(HttpClient& client, const FileTask& task, PartialFile& file, size_t source)
        : client_(client), task_(task), file_(file), source_(source) {}
    ~Run() {
        for (auto& [segment, transfer] : active_) {
            client_.cancel(transfer);
        }
        std::unique_lock lock(ends_->mutex);
        ends_->changed.wait(lock, [&] { return ends_->ends.size() >= active_.size(); });
    }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    void start(size_t index) {
        const Segment& segment = file_.segments()[index];
        const FileSource& source = task_.sources[source_];
        HttpRequest request;
        request.url = source.url;
        request.token = source.token;
        request.priority = task_.priority;
        const uint64_t first = segment.begin + file_.written(index);
        const bool whole = first == 0 && segment.end == task_.size;
        if (!whole) {
            request.first = first;
            request.last = segment.end - 1;
        }
        const auto state = std::make_shared<Ends::End>(Ends::End{index, Error{}, std::nullopt, false});
        active_[index] = client_.start(
            std::move(request),
            [this, state, whole](const HttpReply& reply, std::string_view data) {
                state->whole = !whole && reply.status != 206;
                if (state->whole) {
                    return false;
                }
                const Status written = file_.write(state->segment, data);
                if (!written) {
                    state->disk = written.error();
                }
                return written.has_value();
            },
            [state, ends = ends_](Result<HttpReply> result) {
                state->result = std::move(result);
                const std::lock_guard lock(ends->mutex);
                ends->ends.push_back(std::move(*state));
                ends->changed.notify_all();
            });
    }

    /// The next transfer that has ended, or nullopt after a moment.
    std::optional<Ends::End> next(const std::stop_token& stop) {
        std::unique_lock lock(ends_->mutex);
        if (!ends_->changed.wait_for(lock, stop, kTick, [&] { return !ends_->ends.empty(); })) {
            return std::nullopt;
        }
        Ends::End end = std::move(ends_->ends.front());
        ends_->ends.pop_front();
        active_.erase(end.segment);
        return end;
    }

    bool idle() const { return active_.empty(); }

  private:
    HttpClient& client_;
    const FileTask& task_;
    PartialFile& file_;
    size_t source_;
    std::map<size_t, std::shared_ptr<HttpClient::Transfer>> active_;
    std::shared_ptr<Ends> ends_ = std::make_shared<Ends>();
};

struct Failure {
    Error error;
    bool final = false;  ///< another try at this source is of no use
    bool whole = false;  ///< the source gives no parts
    bool fatal = false;  ///< nor one at another source
    std::optional<uint32_t> retry_after;
};

Failure failure_of(const Ends::End& end, const FileTask& task) {
    if (end.whole) {
        return {Error{Code::kUnavailable, task.name + ": the host gives no parts of files"}, false, true, false, {}};
    }
    if (end.disk) {
        const bool fatal = end.disk->code != Code::kDataLoss;
        return {*end.disk, true, false, fatal, {}};
    }
    if (!end.result) {
        const Code code = end.result.error().code;
        return {end.result.error(), code != Code::kUnavailable && code != Code::kDeadlineExceeded, false, false, {}};
    }
    const long status = end.result->status;
    if (status >= 200 && status < 300) {
        return {Error{Code::kUnavailable, task.name + ": the host sent less than it was asked for"},
                false,
                false,
                false,
                {}};
    }
    const bool again = status == 408 || status == 429 || status >= 500;
    return {reply_error(*end.result), !again, false, false, end.result->retry_after()};
}

/// Brings all bytes here over one source; the failure that ended that.
std::optional<Failure> transfer(HttpClient& client, const FileTask& task, PartialFile& file, size_t source,
                                const std::function<void(const FileProgress&)>& on_progress,
                                const std::stop_token& stop) {
    std::optional<Failure> failed;
    {
        Run run(client, task, file, source);
        for (size_t i = 0; i < file.segments().size(); ++i) {
            if (file.written(i) < file.segments()[i].end - file.segments()[i].begin) {
                run.start(i);
            }
        }
        auto noted = Clock::now();
        uint64_t noted_bytes = file.written();
        while (!run.idle() && !failed) {
            if (stop.stop_requested()) {
                failed = Failure{stopped(), true, false, true, {}};
                break;
            }
            const auto end = run.next(stop);
            const uint64_t written = file.written();
            on_progress({FileStage::kDownloading, written, task.size});
            if (end) {
                const Segment& segment = file.segments()[end->segment];
                if (file.written(end->segment) < segment.end - segment.begin || end->disk || end->whole) {
                    failed = failure_of(*end, task);
                }
            }
            if (Clock::now() - noted > kCheckpointTime || written - noted_bytes > kCheckpointBytes) {
                if (const Status good = file.checkpoint(); !good) {
                    failed = Failure{good.error(), true, false, true, {}};
                }
                noted = Clock::now();
                noted_bytes = written;
            }
        }
    }
    const Status noted = file.checkpoint();
    if (!noted && !failed) {
        failed = Failure{noted.error(), true, false, true, {}};
    }
    return failed;
}

/// All bytes, from whichever source gives them.
Status fetch(HttpClient& client, const FileTask& task, PartialFile& file, size_t& source,
             const std::function<void(const FileProgress&)>& on_progress, const std::stop_token& stop) {
    uint32_t tried = 0, wholes = 0;
    size_t useless = 0;  // sources in a row of which nothing can be had
    while (file.written() < task.size) {
        const uint64_t before = file.written();
        const auto failed = transfer(client, task, file, source, on_progress, stop);
        if (!failed) {
            break;
        }
        if (failed->fatal || stop.stop_requested()) {
            return failed->error;
        }
        if (failed->whole) {
            if (++wholes > client.settings().attempts) {
                return failed->error;
            }
            file.join();
            continue;
        }
        const bool advanced = file.written() > before;
        tried = advanced ? 1 : tried + 1;
        useless = failed->final ? useless + 1 : 0;
        if (useless >= task.sources.size() || tried >= client.settings().attempts) {
            return failed->error;
        }
        source = (source + 1) % task.sources.size();
        // Another source is asked at once.
        if (task.sources.size() == 1 || tried >= task.sources.size()) {
            if (!back_off(client.settings(), tried, failed->retry_after, stop)) {
                return stopped();
            }
        }
    }
    return ok();
}

}  // namespace

Status download_file(HttpClient& client, const FileTask& task,
                     const std::function<void(const FileProgress&)>& on_progress, const std::stop_token& stop) {
    std::error_code ec;
    std::optional<FileLock> lock;
    while (!lock) {
        if (fs::exists(task.target, ec)) {
            on_progress({FileStage::kDownloading, task.size, task.size});
            return ok();
        }
        if (stop.stop_requested()) {
            return stopped();
        }
        GANTRY_TRY(auto held, FileLock::try_lock(task.lock));
        if (held) {
            lock.emplace(std::move(*held));
            break;
        }
        const auto theirs = Journal::read(PartialFile::journal_path(task.target));
        on_progress({FileStage::kWaiting, theirs ? theirs->done() : 0, task.size});
        std::mutex mutex;
        std::condition_variable_any never;
        std::unique_lock waiting(mutex);
        never.wait_for(waiting, stop, kTick, [] { return false; });
    }
    if (fs::exists(task.target, ec)) {
        return ok();
    }
    size_t source = 0;
    // Damaged data are thrown away and asked for again, once from each source.
    for (size_t round = 0;; ++round) {
        GANTRY_TRY(const auto file, PartialFile::open(task, client.settings().ranges));
        GANTRY_CHECK_OK(fetch(client, task, *file, source, on_progress, stop));
        const Status whole = file->verify(
            [&](uint64_t done) {
                on_progress({FileStage::kVerifying, done, task.size});
            },
            stop);
        if (whole) {
            return file->publish();
        }
        if (whole.error().code == Code::kDataLoss) {
            file->discard();
        }
        if (whole.error().code != Code::kDataLoss || round >= task.sources.size()) {
            return whole;
        }
        source = (source + 1) % task.sources.size();
    }
}

}  // namespace gantry::download
