// The types of oxws for ECMAScript modules: `index.d.ts` under the names that `wrapper.mjs`
// exports.

import WebSocket = require('./index.js');

export import AddressInfo = WebSocket.AddressInfo;
export import AgreedParameters = WebSocket.AgreedParameters;
export import BroadcastOptions = WebSocket.BroadcastOptions;
export import Broker = WebSocket.Broker;
export import BrokerHandlers = WebSocket.BrokerHandlers;
export import CertMeta = WebSocket.CertMeta;
export import ClientOptions = WebSocket.ClientOptions;
export import Closed = WebSocket.Closed;
export import CloseEvent = WebSocket.CloseEvent;
export import ConnectionConstructor = WebSocket.ConnectionConstructor;
export import ConnectionOptions = WebSocket.ConnectionOptions;
export import CurrentServerOptions = WebSocket.CurrentServerOptions;
export import Data = WebSocket.Data;
export import DeflateOptions = WebSocket.DeflateOptions;
export import DrainOptions = WebSocket.DrainOptions;
export import ErrorCode = WebSocket.ErrorCode;
export import ErrorEvent = WebSocket.ErrorEvent;
export import Event = WebSocket.Event;
export import EventListenerOptions = WebSocket.EventListenerOptions;
export import ExtensionParameters = WebSocket.ExtensionParameters;
export import FinishRequestCallback = WebSocket.FinishRequestCallback;
export import FormatParameters = WebSocket.FormatParameters;
export import FormatValue = WebSocket.FormatValue;
export import FrameOptions = WebSocket.FrameOptions;
export import GenerateMaskCallback = WebSocket.GenerateMaskCallback;
export import HeartbeatOptions = WebSocket.HeartbeatOptions;
export import Http2ServerOptions = WebSocket.Http2ServerOptions;
export import MessageEvent = WebSocket.MessageEvent;
export import Opened = WebSocket.Opened;
export import Operated = WebSocket.Operated;
export import PerMessageDeflateOptions = WebSocket.PerMessageDeflateOptions;
export import PreparedMessage = WebSocket.PreparedMessage;
export import PrepareOptions = WebSocket.PrepareOptions;
export import PublishOptions = WebSocket.PublishOptions;
export import RawData = WebSocket.RawData;
export import ReceivedMessage = WebSocket.ReceivedMessage;
export import ReceiverEvents = WebSocket.ReceiverEvents;
export import ReceiverOptions = WebSocket.ReceiverOptions;
export import SendAsyncOptions = WebSocket.SendAsyncOptions;
export import SendOptions = WebSocket.SendOptions;
export import Served = WebSocket.Served;
export import ServerEvents = WebSocket.ServerEvents;
export import ServerOptions = WebSocket.ServerOptions;
export import ShutdownOptions = WebSocket.ShutdownOptions;
export import ShutdownResult = WebSocket.ShutdownResult;
export import Subscriber = WebSocket.Subscriber;
export import UpgradeAgreement = WebSocket.UpgradeAgreement;
export import UpgradeHeaders = WebSocket.UpgradeHeaders;
export import UpgradeRefusal = WebSocket.UpgradeRefusal;
export import UpgradeResult = WebSocket.UpgradeResult;
export import VerifyClientCallbackAsync = WebSocket.VerifyClientCallbackAsync;
export import VerifyClientCallbackSync = WebSocket.VerifyClientCallbackSync;
export import WebSocketEventMap = WebSocket.WebSocketEventMap;
export import WebSocketEvents = WebSocket.WebSocketEvents;

import Server = WebSocket.Server;

export { type Server };

export import createWebSocketStream = WebSocket.createWebSocketStream;
export import extension = WebSocket.extension;
export import PerMessageDeflate = WebSocket.PerMessageDeflate;
export import Receiver = WebSocket.Receiver;
export import Sender = WebSocket.Sender;
export import subprotocol = WebSocket.subprotocol;
export import WebSocketServer = WebSocket.WebSocketServer;

export { WebSocket };
export default WebSocket;
